"""Dask: `dask://HOST:8786`, the address of a scheduler."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from soundseam.pipeline.config import SetupError
from soundseam.pipeline.engines.parts import PartOutcome, PartTask, do_part
from soundseam.pipeline.local.supervisor import WorkerFailedError


class DaskEngine:
    """Options are resources of Dask that each part holds, such as `GPU=1`; workers state theirs by `--resources`."""

    def __init__(self, address: str, options: Mapping[str, str]) -> None:
        """Raises SetupError if no scheduler answers, ImportError without the package `distributed`."""
        from distributed import Client

        try:
            self._resources = {name: float(amount) for name, amount in options.items()}
            self._client = Client(address.replace("dask://", "tcp://", 1), timeout="15s", set_as_default=False)
        except ValueError as error:
            raise SetupError(f"--engine-option takes NAME=NUMBER for Dask: {error}") from error
        except OSError as error:
            raise SetupError(f"no Dask scheduler answers at {address}: {error}") from error

    @property
    def cores(self) -> int:
        return sum(self._client.nthreads().values())

    @property
    def logs(self) -> str:
        return "the logs of Dask are where its workers were started"

    def run(self, tasks: Sequence[PartTask]) -> Iterator[PartOutcome]:
        from distributed import as_completed

        futures = self._client.map(do_part, tasks, pure=False, retries=2, resources=self._resources or None)
        for future in as_completed(futures, loop=self._client.loop, raise_errors=False):
            if future.status != "finished":
                raise WorkerFailedError(f"Dask gave up a part: {future.exception()!r}")
            yield future.result()

    def close(self) -> None:
        self._client.close()
