"""What a worker says of its work while it goes on: one JSON line a step, appended to a file that a watcher follows."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

from annotators.chat.usage import Usage
from schemas.record import Record

State = Literal["start", "done", "alive"]


class Step(Record):
    """A worker begins or ends something that can be blamed on `recording_ids`, or shows that it still works."""

    stage: str
    state: State
    recording_ids: tuple[str, ...]
    audio_ms: int = 0
    at_s: float = 0.0
    """When, on a clock that all processes of a machine share."""
    usage: Usage = Usage()
    """What was asked of servers since the stage's last step."""


class ProgressLog(Record):
    """Where steps go; nowhere if `path` is None, as on a cluster, where Beam's counters serve."""

    path: str | None = None

    def write(
        self,
        stage: str,
        state: State,
        recording_ids: Sequence[str],
        audio_ms: int = 0,
        usage: Usage = Usage(),  # noqa: B008 - frozen
    ) -> None:
        """Appends one line, whole: a reader never sees half of it but for the last."""
        if self.path is None:
            return
        step = Step(
            stage=stage,
            state=state,
            recording_ids=tuple(recording_ids),
            audio_ms=audio_ms,
            at_s=time.monotonic(),
            usage=usage,
        )
        line = json.dumps(step.model_dump(mode="json", exclude_defaults=True)) + "\n"
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)

    @contextmanager
    def alive(self, stage: str, every_s: float = 20.0, most_s: float = 3 * 3600.0) -> Iterator[None]:
        """Shows that the process lives while something goes on that may take long without being stuck, up to `most_s`.

        A call that holds the interpreter's lock stops it too.
        """
        done = threading.Event()

        def show() -> None:
            until_s = time.monotonic() + most_s
            while not done.wait(every_s) and time.monotonic() < until_s:
                self.write(stage, "alive", ())

        thread = threading.Thread(target=show, name="alive", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
