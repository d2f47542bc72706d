"""Work for workers: recordings that kill, hang or raise, as their `metadata` says."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from soundseam.annotators.base import BackendUnavailableError
from soundseam.pipeline.local.progress import ProgressLog
from soundseam.pipeline.work import ShardTask, StageTask
from soundseam.schemas.record import Record
from soundseam.schemas.recording import Source

STAGE = "segments"
ERRORS = {"raise": ZeroDivisionError, "unavailable": BackendUnavailableError}


def recording_id_of(name: str) -> str:
    return sha256(name.encode()).hexdigest()[:32]


def source_of(name: str, behaviour: str | None = None, size_bytes: int = 1000) -> Source:
    return Source(
        uri=f"/{name}",
        source_uri=f"/{name}",
        recording_id=recording_id_of(name),
        size_bytes=size_bytes,
        manifest_id=name,
        metadata=behaviour,
    )


def work_of(*sources: Source, shard: int = 0) -> ShardTask:
    keys = tuple((source.recording_id, "key") for source in sources)
    return ShardTask(shard=shard, sources=sources, stages=(StageTask(stage=STAGE, keys=keys),))


class Workload(Record):
    """Does each recording of a group in turn and notes it in `folder`; picklable."""

    folder: str
    recording_ms: int = 1000
    with_steps: bool = True

    def __call__(self, tasks: Sequence[ShardTask], progress: ProgressLog) -> None:
        for source in (source for work in tasks for source in work.sources):
            if self.with_steps:
                progress.write(STAGE, "start", [source.recording_id], self.recording_ms)
            self._note("tried", source)
            self._behave(source.metadata, source)
            self._note("done", source)
            if self.with_steps:
                progress.write(STAGE, "done", [source.recording_id], self.recording_ms)

    def _note(self, what: str, source: Source) -> None:
        with (Path(self.folder) / what).open("a") as file:
            file.write(f"{source.manifest_id} {os.getpid()}\n")

    def noted(self, what: str) -> list[str]:
        """Names of the recordings in the order in which `what` happened to them."""
        return [line.split()[0] for line in self._lines(what)]

    def pids(self, what: str) -> list[int]:
        return [int(line.split()[1]) for line in self._lines(what)]

    def _lines(self, what: str) -> list[str]:
        path = Path(self.folder) / what
        return path.read_text().splitlines() if path.exists() else []

    def _behave(self, behaviour: str | None, source: Source) -> None:
        match behaviour:
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "segfault":
                ctypes.string_at(0)
            case "exit":
                os._exit(7)
            case "hang":
                time.sleep(1000)
            case "hang in C":
                ctypes.PyDLL(None).sleep(1000)  # type: ignore[no-untyped-call]  # PyDLL keeps the interpreter's lock
            case "raise" | "unavailable":
                raise ERRORS[behaviour](f"no way to do {source.manifest_id} [while running 'Segment']")
            case "kill once":
                if self.noted("tried").count(str(source.manifest_id)) == 1:
                    os.kill(os.getpid(), signal.SIGKILL)
            case "slow":
                time.sleep(2)


class DiesAtStart(Record):
    """A group that ends its process before any step."""

    def __call__(self, tasks: Sequence[ShardTask], progress: ProgressLog) -> None:
        os.write(2, b"libsomething.so.1: cannot open shared object file\n")
        os._exit(127)
