"""Work in a process apart, which many threads may ask at once.

    python -P -m footwork.apart MODULE FD [FD ...]

There native code that crashes over hostile bytes ends a question and not the run, and decoding
does not wait for Python's lock in this process. MODULE is one of ours and has a function
`answering(settings)`, which returns what turns a question and some bytes into an answer and bytes.
Question, answer and settings are whatever JSON can hold: nothing is pickled. Each FD is a socket
and has a thread of its own; the process ends when the last one is closed, so never later than
the process that asks.
"""

import importlib
import json
import os
import queue
import signal
import socket
import struct
import subprocess
import sys
import threading
import traceback
import weakref
from collections.abc import Callable, Sequence
from typing import Any

from footwork.errors import EnvironmentProblem

Answering = Callable[[Any, list[bytes]], tuple[Any, list[bytes]]]
LENGTH = struct.Struct("<Q")
MOST_AT_ONCE = 64  # buffers of one call; systems allow 1,024 and more


class Crashed(EnvironmentProblem):
    """The process ended over a question."""


class Apart:
    """One process of `module`. channels: how many questions it may be asked at once; further
    ones wait. Ends with this object.
    """

    def __init__(self, module: str, settings: object, channels: int = 1) -> None:
        pairs = [socket.socketpair() for _ in range(channels)]
        theirs = [there.fileno() for _, there in pairs]
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-P", "-m", "footwork.apart", module, *map(str, theirs)],
            pass_fds=theirs,
            stdin=subprocess.DEVNULL,
        )
        self._idle: queue.SimpleQueue[Channel] = queue.SimpleQueue()
        for ours, there in pairs:
            there.close()
            self._idle.put(Channel(ours))
        self._end = weakref.finalize(self, stop, self._process, [ours for ours, _ in pairs])
        self._settings = settings

    def ask(self, question: object, parts: Sequence[bytes] = ()) -> tuple[Any, list[bytes]]:
        """Return the answer. From any thread. Raises EnvironmentProblem if the work did, Crashed
        if the process is no more: make another.
        """
        channel = self._idle.get()
        try:
            if channel.fresh:
                channel.send(self._settings)
                channel.fresh = False
            channel.send(question, parts)
            said, more = channel.receive()
        except (EOFError, OSError):
            code = self._process.wait()
            raise Crashed(f"A process of footwork ended unasked, with code {code}.") from None
        finally:
            self._idle.put(channel)
        if "problem" in said:
            raise EnvironmentProblem(said["problem"])
        if "failed" in said:
            raise RuntimeError(said["failed"])
        return said["answer"], more

    def close(self) -> None:
        """End the process; its questions must have been answered."""
        self._end()


class Channel:
    """One end of a conversation: messages of a value that JSON can hold, and some bytes.

    A message is the length of its head, the head (the value, and the lengths of the parts), and
    the parts. Source of the format: none, both ends are this class.
    """

    def __init__(self, line: socket.socket) -> None:
        self.line = line
        self.fresh = True

    def send(self, value: object, parts: Sequence[bytes] = ()) -> None:
        head = json.dumps([value, [len(part) for part in parts]]).encode()
        rest = [memoryview(data) for data in (LENGTH.pack(len(head)), head, *parts) if len(data)]
        while rest:  # all in one call, unless it is interrupted
            sent = self.line.sendmsg(rest[:MOST_AT_ONCE])
            while rest and sent >= len(rest[0]):
                sent -= len(rest.pop(0))
            if sent:
                rest[0] = rest[0][sent:]

    def receive(self) -> tuple[Any, list[bytes]]:
        """Raises EOFError if the other end has hung up."""
        (length,) = LENGTH.unpack(self._read(LENGTH.size))
        value, lengths = json.loads(self._read(length))
        return value, [self._read(length) for length in lengths]

    def _read(self, length: int) -> bytes:
        data = self.line.recv(length, socket.MSG_WAITALL) if length else b""
        while len(data) < length:  # interrupted, or more than the system gives at once
            more = self.line.recv(length - len(data))
            if not more:
                raise EOFError
            data += more
        return data


def stop(process: "subprocess.Popen[bytes]", lines: list[socket.socket]) -> None:
    for line in lines:
        line.close()
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def serve(module: str, numbers: list[int]) -> None:
    """Answer until everybody has hung up."""
    lock = threading.Lock()
    made: list[Answering] = []

    def follow(number: int) -> None:
        with socket.socket(fileno=number) as line:
            channel = Channel(line)
            try:
                settings, _ = channel.receive()
                with lock:  # one for all: what it limits is the process's
                    if not made:
                        made.append(importlib.import_module(module).answering(settings))
                while True:
                    channel.send(*told(made[0], *channel.receive()))
            except (EOFError, OSError):
                return

    threads = [threading.Thread(target=follow, args=(number,)) for number in numbers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def told(
    work: Answering, question: object, parts: list[bytes]
) -> tuple[dict[str, object], list[bytes]]:
    try:
        answer, more = work(question, parts)
    except EnvironmentProblem as problem:
        return {"problem": str(problem)}, []
    except Exception:
        return {"failed": traceback.format_exc()}, []
    return {"answer": answer}, more


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one who asks
    serve(sys.argv[1], [int(number) for number in sys.argv[2:]])
    os._exit(0)  # nothing is left to be closed


if __name__ == "__main__":
    main()
