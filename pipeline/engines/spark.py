"""Spark: `spark://HOST:7077`, the address of a standalone master."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence

from soundseam.pipeline.config import SetupError
from soundseam.pipeline.engines.parts import PartOutcome, PartTask, do_part
from soundseam.pipeline.local.supervisor import WorkerFailedError


class SparkEngine:
    """Options are properties of Spark, such as `spark.executor.memory=8g` or `spark.task.resource.gpu.amount=1`."""

    def __init__(self, address: str, options: Mapping[str, str]) -> None:
        """Raises SetupError if no master answers, ImportError without the package `pyspark`."""
        from py4j.protocol import Py4JError
        from pyspark.errors import PySparkException
        from pyspark.sql import SparkSession

        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        builder = SparkSession.builder.master(address).appName("soundseam").config("spark.ui.enabled", "false")
        for name, value in options.items():
            builder = builder.config(name, value)
        try:
            self._context = builder.getOrCreate().sparkContext
        except (PySparkException, Py4JError) as error:
            raise SetupError(f"no Spark master answers at {address}: {_line(error)}") from error

    @property
    def cores(self) -> int:
        return int(self._context.defaultParallelism)

    @property
    def logs(self) -> str:
        return "the logs of Spark are in the folder work of its workers"

    def run(self, tasks: Sequence[PartTask]) -> Iterator[PartOutcome]:
        from py4j.protocol import Py4JError

        try:
            yield from self._context.parallelize(list(tasks), len(tasks)).map(do_part).collect()
        except Py4JError as error:
            raise WorkerFailedError(f"Spark gave up the job: {_line(error)}") from error

    def close(self) -> None:
        self._context.stop()


def _line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
