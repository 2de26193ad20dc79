"""Work on hostile bytes in processes apart, which many threads may ask at once.

    python -P -m footwork.apart MODULE FD [FD ...]

There native code that crashes costs one picture and not the run, and decoding does not wait for
Python's lock. MODULE is one of ours and has a function `answering(settings)`, which returns the
job: from a question and some pieces of bytes to one answer for each piece. Question, answers and
settings are whatever JSON can hold: nothing is pickled. Each FD is a socket and has a thread of
its own; a process ends when the last one is closed, so never later than the one that asks.
"""

import contextlib
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
from functools import partial
from typing import Any

from footwork.errors import EnvironmentProblem

Job = Callable[[Any, list[bytes]], Sequence[Any]]
LENGTH = struct.Struct("<Q")
MOST_AT_ONCE = 64  # buffers of one call; systems allow 1,024 and more


class Crashed(Exception):
    """The process ended over a question."""


class Crew:
    """Some processes that do one job, replaced when they crash; they end with this object.

    channels: how many questions each may be asked at once; further ones wait.
    """

    def __init__(
        self, module: str, settings: object, *, processes: int = 1, channels: int = 1
    ) -> None:
        self._start = partial(Apart, module, settings)
        self._channels = channels
        self._processes = [self._start(channels) for _ in range(processes)]
        self._idle: queue.SimpleQueue[Apart] = queue.SimpleQueue()
        for _ in range(channels):  # by turns, so that the first questions go to different ones
            for process in self._processes:
                self._idle.put(process)
        self._replaced: dict[Apart, Apart] = {}
        self._lock = threading.Lock()

    @property
    def ready(self) -> bool:
        """Whether all have started; until then a question waits for it."""
        return all(process.ready.is_set() for process in self._processes)

    def each(self, parts: Sequence[bytes], question: object = None) -> list[Any]:
        """Return the answer for each part, None where the job crashes over it. From any thread.

        Raises EnvironmentProblem if the job did, RuntimeError for any other mistake of it.
        """
        process = self._idle.get()
        try:
            return process.ask(question, parts)
        except Crashed:
            process = self._another_for(process)
        finally:
            self._idle.put(process)
        return [self._alone(question, part) for part in parts]

    def _another_for(self, process: "Apart") -> "Apart":
        with self._lock:
            if process not in self._replaced:  # the first of those who saw it end
                another = self._replaced[process] = self._start(self._channels)
                self._processes = [another if p is process else p for p in self._processes]
            return self._replaced[process]

    def _alone(self, question: object, part: bytes) -> Any:
        process = self._start(1)
        try:
            (answer,) = process.ask(question, [part])
        except Crashed:
            return None
        finally:
            process.close()
        return answer

    def close(self) -> None:
        """End the processes; their questions must have been answered."""
        for process in self._processes:
            process.close()


class Apart:
    """One process, with as many channels as threads."""

    def __init__(self, module: str, settings: object, channels: int) -> None:
        pairs = [socket.socketpair() for _ in range(channels)]
        theirs = [there.fileno() for _, there in pairs]
        self.process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-P", "-m", "footwork.apart", module, *map(str, theirs)],
            pass_fds=theirs,
            stdin=subprocess.DEVNULL,
        )
        self._end = weakref.finalize(self, stop, self.process, [ours for ours, _ in pairs])
        self._idle: queue.SimpleQueue[Channel] = queue.SimpleQueue()
        for ours, there in pairs:
            there.close()
            channel = Channel(ours)
            with contextlib.suppress(OSError):  # whoever asks something will hear it
                channel.send(settings)
            self._idle.put(channel)
        self.ready = threading.Event()
        threading.Thread(
            target=greet, args=(self._idle.get(), self._idle, self.ready), daemon=True
        ).start()

    def ask(self, question: object, parts: Sequence[bytes]) -> list[Any]:
        """See `Crew.each`. Raises Crashed if the process is no more."""
        channel = self._idle.get()
        try:
            channel.send(question, parts)
            said, _ = channel.receive()
        except (EOFError, OSError):
            code = self.process.wait()
            raise Crashed(f"a process of footwork ended unasked, with code {code}") from None
        finally:
            self._idle.put(channel)
        if "problem" in said:
            raise EnvironmentProblem(said["problem"])
        if "failed" in said:
            raise RuntimeError(said["failed"])
        answers: list[Any] = said["answers"]
        return answers

    def close(self) -> None:
        self._end()


class Channel:
    """One end of a conversation. A message is the length of its head, the head (a value, and the
    lengths of the pieces of bytes that come with it), and the pieces.
    """

    def __init__(self, line: socket.socket) -> None:
        self.line = line

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


def greet(channel: Channel, idle: "queue.SimpleQueue[Channel]", answered: threading.Event) -> None:
    """Ask for nothing, so as to hear when a process has started; then give its channel back."""
    with contextlib.suppress(EOFError, OSError):
        channel.send(None)
        channel.receive()
    answered.set()
    idle.put(channel)


def stop(process: "subprocess.Popen[bytes]", lines: list[socket.socket]) -> None:
    for line in lines:
        with contextlib.suppress(OSError):
            line.shutdown(socket.SHUT_RDWR)  # ends what still listens on it, too
        line.close()
    let_end(process)


def let_end(process: "subprocess.Popen[bytes]") -> None:
    """Wait for a process that was told to end, or end it."""
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def serve(module: str, numbers: list[int]) -> None:
    """Answer until everybody has hung up."""
    lock = threading.Lock()
    made: list[Job] = []

    def follow(number: int) -> None:
        with socket.socket(fileno=number) as line:
            channel = Channel(line)
            try:
                settings, _ = channel.receive()
                with lock:  # one for all: what it limits is the process's
                    if not made:
                        made.append(importlib.import_module(module).answering(settings))
                while True:
                    channel.send(told(made[0], *channel.receive()))
            except (EOFError, OSError):
                return

    threads = [threading.Thread(target=follow, args=(number,)) for number in numbers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def told(job: Job, question: object, parts: list[bytes]) -> dict[str, object]:
    try:
        return {"answers": job(question, parts) if parts else []}
    except EnvironmentProblem as problem:
        return {"problem": str(problem)}
    except Exception:
        return {"failed": traceback.format_exc()}


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one who asks
    serve(sys.argv[1], [int(number) for number in sys.argv[2:]])
    os._exit(0)  # nothing is left to be closed


if __name__ == "__main__":
    main()
