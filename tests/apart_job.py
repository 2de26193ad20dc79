"""A job for `footwork.apart` that does what a test asks it to."""

import os
import time

from footwork.apart import Job
from footwork.errors import EnvironmentProblem


def answering(settings: dict[str, str]) -> Job:
    def answer(question: str, parts: list[bytes]) -> list[object]:
        if b"crash" in parts:
            os.abort()
        if question == "full":
            raise EnvironmentProblem("the disk is full")
        if question == "mistake":
            raise ZeroDivisionError("of the job")
        if question == "slow":
            time.sleep(0.3)
        return [[settings, len(part), part[:1].hex()] for part in parts]

    return answer
