"""A job for `footwork.apart` that does what a test asks it to."""

import os
import time

from footwork.apart import Answering
from footwork.errors import EnvironmentProblem


def answering(settings: dict[str, str]) -> Answering:
    def answer(question: str, parts: list[bytes]) -> tuple[object, list[bytes]]:
        if question == "crash" or b"crash" in parts:
            os.abort()
        if question == "full":
            raise EnvironmentProblem("the disk is full")
        if question == "mistake":
            raise ZeroDivisionError("of the job")
        if question == "slow":
            time.sleep(0.3)
        return {"settings": settings, "sizes": [len(part) for part in parts]}, parts[::-1]

    return answer
