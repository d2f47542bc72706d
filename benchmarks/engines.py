"""What each engine adds to a local run: time by the clock and of the processor, for the samples.

`python -m benchmarks.engines` runs `samples/recordings` with two local workers, with one, on Prism (one process), on
clusters of Dask, Ray and Spark with two workers, and in and out of an S3 server; of these, what is installed here. A
line has the run, then the same command with nothing to do. Starting and stopping a cluster or a server is not counted,
but what its processes take meanwhile is, except on Ray, whose daemon forgets it. For an idle machine; `--only` names
ways, `--inputs` another folder.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from tests.engines.clusters import CLUSTERS, is_missing
from tests.engines.prism import VARIABLE, named_prism
from tests.support.corpora import processes
from tests.support.s3 import s3_server

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "samples" / "recordings"
BUCKET = "soundseam-engines"
_SET_CHILD_SUBREAPER = 36


class Way(NamedTuple):
    """How the command is run: its inputs, its OUT, and its further options."""

    inputs: str
    output: str
    options: tuple[str, ...] = ()


class Spent(NamedTuple):
    """Seconds by the clock, and of the processor in all processes together."""

    clock_s: float
    processor_s: float


@contextmanager
def local_workers(count: int, inputs: Path, folder: Path) -> Iterator[Way]:
    yield Way(str(inputs), str(folder / "out"), ("--workers", str(count)))


@contextmanager
def on_prism(inputs: Path, folder: Path) -> Iterator[Way]:
    options = ("--runner", "PrismRunner", f"--prism_location={named_prism()}")
    yield Way(str(inputs), str(folder / "out"), options)


@contextmanager
def on_cluster(engine: str, inputs: Path, folder: Path) -> Iterator[Way]:
    with CLUSTERS[engine](folder) as cluster:
        options = [word for option in cluster.options for word in ("--engine-option", option)]
        yield Way(str(inputs), str(folder / "out"), ("--engine", cluster.address, *options))


@contextmanager
def in_object_store(inputs: Path, folder: Path) -> Iterator[Way]:
    from soundseam.pipeline.storage import files, object_store

    with s3_server(folder) as server:
        os.environ.update(server.environment(folder / "cache"))
        object_store.use_settings({})
        bucket = server.make_bucket(BUCKET)
        for path in sorted(inputs.iterdir()):
            files.write_atomically(files.join(bucket, "raw", path.name), path.read_bytes())
        yield Way(f"{bucket}/raw", f"{bucket}/out", ("--workers", "2"))


WAYS: dict[str, Callable[[Path, Path], AbstractContextManager[Way]]] = {
    "2 local workers": lambda inputs, folder: local_workers(2, inputs, folder),
    "1 local worker": lambda inputs, folder: local_workers(1, inputs, folder),
    "prism": on_prism,
    "dask": lambda inputs, folder: on_cluster("dask", inputs, folder),
    "ray": lambda inputs, folder: on_cluster("ray", inputs, folder),
    "spark": lambda inputs, folder: on_cluster("spark", inputs, folder),
    "s3, 2 local workers": in_object_store,
}


def missing(way: str) -> str:
    """What `way` lacks here; empty if nothing."""
    if way in CLUSTERS:
        return is_missing(way)
    if way == "prism":
        return "" if named_prism() else f"needs {VARIABLE}, as tests/engines does"
    return "needs moto[server]" if way.startswith("s3") and find_spec("moto") is None else ""


def measure(way: Way) -> Spent:
    """Runs the command to its end."""
    command = [sys.executable, "beam_runner.py", "run", way.inputs, "--output", way.output, *way.options]
    clock_s, processor_s = time.perf_counter(), processor_time()
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return Spent(time.perf_counter() - clock_s, processor_time() - processor_s)


def processor_time() -> float:
    """Seconds of all processes that this one has started, with those that have ended."""
    ended = os.times()
    spent = ended.children_user + ended.children_system
    running = processes()
    parents = {process: int(fields[1]) for process, fields in running.items()}
    for fields in running.values():
        above = int(fields[1])
        while above not in (0, 1, os.getpid()):
            above = parents.get(above, 0)
        ticks = sum(map(int, fields[11:15])) if above == os.getpid() else 0
        spent += ticks / os.sysconf("SC_CLK_TCK")
    return spent


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engines", description=__doc__)
    parser.add_argument("--inputs", type=Path, default=SAMPLES)
    parser.add_argument("--only", nargs="*", default=list(WAYS), choices=list(WAYS))
    options = parser.parse_args(arguments)
    # Processes whose parent has ended become this one's, and are counted.
    ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1)
    print(f"{'way':24}{'clock':>8}{'processor':>11}{'clock':>10}{'processor':>11}")
    print(f"{'':24}{'of the run':>19}{'with nothing to do':>21}")
    for name in options.only:
        if lacks := missing(name):
            print(f"{name:24}{lacks}")
            continue
        folder = Path(tempfile.mkdtemp(prefix="soundseam-engines-"))
        try:
            with WAYS[name](options.inputs, folder) as way:
                run, again = measure(way), measure(way)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        times = f"{run.clock_s:8.1f}{run.processor_s:9.1f} s{again.clock_s:10.1f}{again.processor_s:9.1f} s"
        print(f"{name:24}{times}", flush=True)


if __name__ == "__main__":
    main()
