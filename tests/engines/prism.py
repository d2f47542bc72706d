"""Prism, Beam's portable runner in Go, with its own process of workers."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.engines.clusters import free_port, is_open, processes
from tests.support.corpora import children_of, wait_until

VARIABLE = "SOUNDSEAM_PRISM"
BUILD = "build"
BEAM = version("apache-beam")
MODULE = "github.com/apache/beam/sdks/v2/go/cmd/prism"


def named_prism() -> Path | None:
    """The program that the environment names, or that is built already; None without."""
    named = os.environ.get(VARIABLE)
    if not named or named == BUILD:
        return _built() if named and _built().exists() else None
    return Path(named)


def find_prism() -> Path:
    """The program that the environment names, or the one that Go builds once. Skips the test without."""
    named = os.environ.get(VARIABLE)
    if not named:
        pytest.skip(f"needs {VARIABLE}: the path of Beam's Prism, or build, to have Go build it in about two minutes")
    if named == BUILD and not _built().exists():
        if shutil.which("go") is None:
            pytest.skip(f"needs Go to build Prism, or its path in {VARIABLE}")
        command, environment = ["go", "install", f"{MODULE}@v{BEAM}"], {**os.environ, "GOBIN": str(_built().parent)}
        built = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if built.returncode:
            pytest.skip(f"Go could not build Prism: {built.stderr.strip().splitlines()[-1]}")
    return named_prism() or _built()


def _built() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser())
    return cache / "soundseam" / f"prism-{BEAM}" / "prism"


@dataclass(frozen=True)
class PrismServer:
    """Prism as a server, and a pool that starts workers for its jobs."""

    options: tuple[str, ...]
    """Of `soundseam run`."""
    pool_pid: int

    def worker_pids(self) -> list[int]:
        return children_of(self.pool_pid)


@contextmanager
def prism_server(prism: Path, folder: Path) -> Iterator[PrismServer]:
    job_port, pool_port = free_port(), free_port()
    with processes(folder) as start:
        start("prism", [str(prism), f"--job_port={job_port}", "--serve_http=false"])
        module = "apache_beam.runners.worker.worker_pool_main"
        pool = start("pool", [sys.executable, "-m", module, f"--service_port={pool_port}"])
        wait_until(lambda: is_open(job_port) and is_open(pool_port))
        options = (
            *("--runner", "PortableRunner", f"--job_endpoint=localhost:{job_port}"),
            *("--environment_type=EXTERNAL", f"--environment_config=localhost:{pool_port}"),
        )
        yield PrismServer(options, pool.pid)
