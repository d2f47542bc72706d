"""Runs of the command line in processes of their own, and what they leave."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pyarrow.parquet as pq

ROOT = Path(__file__).parents[2]
RECORDINGS = ROOT / "samples" / "recordings"
TABLES = (
    "recordings",
    "segments",
    "annotations/speech",
    "annotations/music",
    "annotations/general",
    "captions",
    "rejected",
)

QUICK_PROFILE = """
detectors:
  - kind: embedded
branches:
  speech:
    - kind: voice
    - kind: speech_caption
  general:
    - kind: events
    - kind: general_caption
"""
"""The embedded profile without its slow backends."""

Row = dict[str, object]


def quick_profile(folder: Path) -> str:
    path = folder / "quick.yaml"
    path.write_text(QUICK_PROFILE)
    return str(path)


def copy_samples(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        shutil.copy(RECORDINGS / name, folder / name)
    return folder


def start_cli(*arguments: str | Path) -> subprocess.Popen[str]:
    """Starts `soundseam` with its output in pipes, in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, str(ROOT / "beam_runner.py"), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "200"},
        start_new_session=True,
    )


def run_cli(*arguments: str | Path, expect: int = 0) -> str:
    """Runs `soundseam` to its end; returns standard output and error together."""
    process = start_cli(*arguments)
    output, errors = process.communicate(timeout=300)
    assert process.returncode == expect, output + errors
    return output + errors


def rows_of(output: Path, table: str) -> list[Row]:
    """All rows of a table, whatever files they are in, in an order that depends on their content alone."""
    rows: list[Row] = pq.read_table(output / table).to_pylist()
    return sorted(rows, key=lambda row: json.dumps(row, sort_keys=True, default=repr))


def tables_of(output: Path) -> dict[str, list[Row]]:
    return {table: rows_of(output, table) for table in TABLES}


def files_of(output: Path) -> dict[str, int]:
    """Every data file and marker of a corpus with its modification time."""
    return {
        str(path.relative_to(output)): path.stat().st_mtime_ns
        for path in output.rglob("*")
        if path.is_file() and (path.suffix == ".parquet" or "commits" in path.parts)
    }


def wait_until(condition: Callable[[], bool], timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def children_of(pid: int) -> list[int]:
    """Processes that `pid` started and that still run."""
    return [child for child, fields in processes().items() if int(fields[1]) == pid and fields[0] != "Z"]


def processes() -> dict[int, list[str]]:
    """pid → the fields of each process in /proc from its state on."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(FileNotFoundError, ProcessLookupError):
                found[int(entry.name)] = (entry / "stat").read_text().rsplit(")", 1)[1].split()
    return found
