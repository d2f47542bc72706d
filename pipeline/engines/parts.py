"""Parts of a run as tasks of an engine: a part is the same command with `--part`, in a process of its own."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from soundseam.pipeline.engines.beam import save_log
from soundseam.pipeline.storage import files
from soundseam.schemas.record import Record

MAX_TAIL = 2_000
"""Characters kept of what a part printed last."""


class PartTask(Record):
    """One part, to be done anywhere."""

    part: str
    """As in `3/8`."""
    arguments: tuple[str, ...]
    """Of the command `soundseam`."""
    folder: str
    """Where the command was typed: relative inputs are below it."""
    output: str
    cores: int

    @property
    def log(self) -> str:
        """The name of its log."""
        return f"part-{self.part.replace('/', '-of-')}.log"


class PartOutcome(Record):
    """What became of a part."""

    part: str
    exit_code: int
    tail: str
    """What it printed last."""


class Engine(Protocol):
    """A connection to a cluster. Parts that were lost with their worker are repeated by the cluster itself."""

    @property
    def cores(self) -> int:
        """Cores of all workers together."""
        ...

    @property
    def logs(self) -> str:
        """Where the cluster's own logs are, in words."""
        ...

    def run(self, tasks: Sequence[PartTask]) -> Iterator[PartOutcome]:
        """The outcomes in the order in which they come. Raises WorkerFailedError if the cluster gives up."""
        ...

    def close(self) -> None: ...


def do_part(task: PartTask) -> PartOutcome:
    """Does a part on this machine. A failure is an outcome, so that no engine gives up the other parts for it."""
    command = [sys.executable, "-m", "soundseam", *task.arguments]
    if not Path(task.folder).is_dir():
        return PartOutcome(
            part=task.part, exit_code=2, tail=f"{task.folder} is not on this worker: share it, or give whole paths"
        )
    process = subprocess.run(  # noqa: S603 - our own command, without a shell
        command, cwd=task.folder, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    said = process.stdout + process.stderr
    if process.returncode:
        output = str(Path(task.folder, task.output)) if files.is_local(task.output) else task.output
        with contextlib.suppress(OSError):  # OUT itself may be what failed
            save_log(output, task.log, said)
    return PartOutcome(part=task.part, exit_code=process.returncode, tail=said[-MAX_TAIL:].decode(errors="replace"))
