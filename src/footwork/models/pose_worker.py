"""A process of its own that runs MediaPipe: pictures in by stdin, landmarks out by stdout.

    python -P -m footwork.models.pose_worker FILE.task

Why not in the process that wants them: MediaPipe 1.x sends usage statistics to Google when a
landmarker is closed and offers no way to forbid it (google-ai-edge/mediapipe, issue 6291). Here
none is ever closed: the process just ends. (`footwork.models.pose_network` also points it at a
proxy that does not exist.) Its remarks on stderr stay apart from ours as well, a crash of
native code ends a worker and not the run, and TensorFlow is not loaded with it.

First answer: b"+", or b"-" and what is wrong. Then per picture: a request of HEADER (height,
width) and the pixels, RGB uint8; an answer of COUNT people (or FAILED), each LANDMARKS x PARTS
float32.
"""

import os
import struct
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from footwork.models.pose import LANDMARKS, PARTS, mirrored

HEADER, COUNT = struct.Struct("<II"), struct.Struct("<i")
FAILED = -1
READY, REFUSED = b"+", b"-"

# Climbers hang in poses that the detector has seldom seen: 0.5, MediaPipe's own value, misses
# more of them.
MIN_CONFIDENCE = 0.3
MOST_PEOPLE = 3
# Where nobody is found, the picture is looked at again: (scale, mirrored). The detector is
# sensitive to both. One look finds 58 of 67 climbers, all four find 64.
LOOKS = ((1.0, False), (1.0, True), (0.5, False), (0.5, True))
# What MediaPipe loads if it is there and does not need for poses.
UNUSED = ("tensorflow", "sounddevice")

Pixels = NDArray[np.uint8]
People = NDArray[np.float32]  # (people, LANDMARKS, PARTS)
Detect = Callable[[Pixels], People]


def detector(task: str) -> Detect:
    """Load a bundle. Raises what MediaPipe raises for a file that it does not like."""
    for name in UNUSED:
        sys.modules[name] = None  # type: ignore[assignment]  # importing it fails, as if absent
    import mediapipe
    from mediapipe.tasks.python import BaseOptions, vision

    landmarker = vision.PoseLandmarker.create_from_options(
        vision.PoseLandmarkerOptions(
            base_options=BaseOptions(model_asset_path=task),
            running_mode=vision.RunningMode.IMAGE,
            num_poses=MOST_PEOPLE,
            min_pose_detection_confidence=MIN_CONFIDENCE,
        )
    )

    def detect(pixels: Pixels) -> People:
        image = mediapipe.Image(
            image_format=mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(pixels)
        )
        found = landmarker.detect(image)
        rows = [
            [
                (mark.x, mark.y, mark.visibility, place.x, place.y, place.z)
                for mark, place in zip(person, body, strict=True)
            ]
            for person, body in zip(found.pose_landmarks, found.pose_world_landmarks, strict=True)
        ]
        return np.array(rows, dtype=np.float32).reshape(-1, LANDMARKS, PARTS)

    return detect


def find_people(detect: Detect, pixels: Pixels) -> People:
    """Return who the first look that finds anybody has found, (people, LANDMARKS, PARTS)."""
    found = np.zeros((0, LANDMARKS, PARTS), dtype=np.float32)
    for scale, flipped in LOOKS:
        seen = resized(pixels, scale)
        found = detect(seen[:, ::-1] if flipped else seen)
        if len(found):
            return np.array([mirrored(one, 1.0) for one in found]) if flipped else found
    return found


def resized(pixels: Pixels, scale: float) -> Pixels:
    if scale == 1:
        return pixels
    height, width = (max(1, round(side * scale)) for side in pixels.shape[:2])
    return np.array(Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR))


def requests(pipe: BinaryIO) -> Iterator[Pixels]:
    while len(header := pipe.read(HEADER.size)) == HEADER.size:
        height, width = HEADER.unpack(header)
        data = pipe.read(3 * height * width)
        yield np.frombuffer(data, dtype=np.uint8).reshape(height, width, 3)


def serve(task: str, pipe: BinaryIO, answers: BinaryIO) -> None:
    try:
        detect = detector(task)
    except Exception as error:  # whatever MediaPipe raises
        answers.write(REFUSED + " ".join(str(error).split()).encode())
        return
    answers.write(READY)
    answers.flush()
    for pixels in requests(pipe):
        try:
            found = find_people(detect, pixels)
            answer = COUNT.pack(len(found)) + found.tobytes()
        except (RuntimeError, ValueError):  # one picture that MediaPipe cannot take
            answer = COUNT.pack(FAILED)
        answers.write(answer)
        answers.flush()


def main() -> None:
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what native code prints must not get between the answers
    code = 0
    try:
        serve(sys.argv[1], sys.stdin.buffer, answers)
        answers.flush()
    except (BrokenPipeError, KeyboardInterrupt):
        pass  # whoever asked is gone
    except BaseException:
        traceback.print_exc()
        code = 1
    os._exit(code)  # nothing is closed: see above


if __name__ == "__main__":
    main()
