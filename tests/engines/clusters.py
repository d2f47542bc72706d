"""Clusters of two workers on this machine, started by the tests: Dask's, Ray's and Spark's own schedulers."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.corpora import wait_until

WORKERS = 2


@dataclass(frozen=True)
class Cluster:
    """A running cluster."""

    address: str
    worker_pids: Callable[[], list[int]]
    """The processes that hold tasks."""
    options: tuple[str, ...] = ()
    """--engine-option that a part of the tests needs: a resource that stands for a GPU."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def processes(folder: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """A function that starts a process with its log in `folder`; all are killed at the end."""
    started: list[subprocess.Popen[bytes]] = []

    def start(name: str, command: Sequence[str], **environment: str) -> subprocess.Popen[bytes]:
        with (folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                command, stdout=log, stderr=log, env={**os.environ, **environment}, start_new_session=True, cwd=folder
            )
        started.append(process)
        return process

    try:
        yield start
    finally:
        for process in started:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextmanager
def dask_cluster(folder: Path) -> Iterator[Cluster]:
    port = free_port()
    with processes(folder) as start:
        start(
            "scheduler",
            [
                sys.executable,
                "-m",
                "distributed.cli.dask_scheduler",
                "--host",
                "127.0.0.1",
                "--port",
                str(port),
                "--no-dashboard",
            ],
        )
        wait_until(lambda: is_open(port))
        workers = [
            start(
                f"worker-{number}",
                [
                    sys.executable,
                    "-m",
                    "distributed.cli.dask_worker",
                    f"tcp://127.0.0.1:{port}",
                    "--nthreads",
                    "1",
                    "--no-dashboard",
                    "--resources",
                    "GPU=1",
                    "--no-nanny",
                ],
            )
            for number in range(WORKERS)
        ]
        yield Cluster(f"dask://127.0.0.1:{port}", lambda: [worker.pid for worker in workers], ("GPU=1",))


@contextmanager
def ray_cluster(folder: Path) -> Iterator[Cluster]:
    port, client_port = free_port(), free_port()
    # Not below `folder`: the names of Ray's sockets would be too long.
    with TemporaryDirectory(prefix="ray-") as short, processes(folder) as start:
        environment = {"RAY_TMPDIR": short, "RAY_USAGE_STATS_ENABLED": "0"}
        start(
            "head",
            [
                sys.executable,
                "-c",
                "from ray.scripts.scripts import main; main()",
                "start",
                "--head",
                "--block",
                f"--port={port}",
                f"--ray-client-server-port={client_port}",
                "--num-cpus",
                str(WORKERS),
                "--resources",
                '{"fake_gpu": 2}',
                "--include-dashboard=false",
            ],
            **environment,
        )
        wait_until(lambda: is_open(client_port), 120)
        address = f"ray://127.0.0.1:{client_port}"
        wait_until(lambda: _answers(address), 240)
        yield Cluster(address, lambda: _processes_named("ray::do_part"), ("fake_gpu=1",))


def _answers(ray_address: str) -> bool:
    """Whether Ray takes clients: its port opens before what starts their servers is there."""
    code = f"import ray; ray.init({ray_address!r}, log_to_driver=False)"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


@contextmanager
def spark_cluster(folder: Path) -> Iterator[Cluster]:
    import pyspark

    port = free_port()
    spark_class = str(Path(pyspark.__file__).parent / "bin" / "spark-class")
    environment = {
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_WORKER_DIR": str(folder / "work"),
        "PYSPARK_PYTHON": sys.executable,
    }
    deploy = "org.apache.spark.deploy"
    with processes(folder) as start:
        start(
            "master",
            [
                spark_class,
                f"{deploy}.master.Master",
                "--host",
                "127.0.0.1",
                "--port",
                str(port),
                "--webui-port",
                str(free_port()),
            ],
            **environment,
        )
        wait_until(lambda: is_open(port), 120)
        for number in range(WORKERS):
            start(
                f"worker-{number}",
                [
                    spark_class,
                    f"{deploy}.worker.Worker",
                    "--cores",
                    "1",
                    "--memory",
                    "1g",
                    "--webui-port",
                    str(free_port()),
                    f"spark://127.0.0.1:{port}",
                ],
                **environment,
            )
        yield Cluster(
            f"spark://127.0.0.1:{port}",
            lambda: _processes_named("CoarseGrainedExecutorBackend"),
            ("spark.executor.memory=512m", "spark.driver.host=127.0.0.1"),
        )


def _processes_named(part: str) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                if part in (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"):
                    found.append(int(entry.name))
    return found


def is_missing(engine: str) -> str:
    """Why the cluster cannot be started here; empty if it can."""
    from importlib.util import find_spec

    package = {"dask": "distributed", "ray": "ray", "spark": "pyspark"}[engine]
    if find_spec(package) is None:
        return f"needs {package}: pip install {'ray[client]' if package == 'ray' else package}"
    if engine == "spark" and shutil.which("java") is None:
        return "needs Java 17"
    return ""


CLUSTERS = {"dask": dask_cluster, "ray": ray_cluster, "spark": spark_cluster}
