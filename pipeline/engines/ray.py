"""Ray: `ray://HOST:10001`, the address of a head node's client server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from soundseam.pipeline.config import SetupError
from soundseam.pipeline.engines.parts import PartOutcome, PartTask, do_part
from soundseam.pipeline.local.supervisor import WorkerFailedError


class RayEngine:
    """Options are `num_gpus`, `memory`, or resources of the cluster by name, which each part holds."""

    def __init__(self, address: str, options: Mapping[str, str]) -> None:
        """Raises SetupError if no head node answers, ImportError without the package `ray[client]`."""
        import ray

        try:
            amounts = {name: float(amount) for name, amount in options.items()}
            ray.init(address, logging_level="ERROR", log_to_driver=False)
        except ValueError as error:
            raise SetupError(f"--engine-option takes NAME=NUMBER for Ray: {error}") from error
        except (OSError, RuntimeError) as error:
            raise SetupError(f"no Ray cluster answers at {address}: {' '.join(str(error).split())}") from error
        own = {name: amount for name, amount in amounts.items() if name in ("num_gpus", "memory")}
        self._options = {**own, "resources": {name: amounts[name] for name in amounts.keys() - own.keys()}}

    @property
    def cores(self) -> int:
        import ray

        return int(ray.cluster_resources().get("CPU", 0))

    @property
    def logs(self) -> str:
        return "the logs of Ray are in /tmp/ray/session_latest/logs on its nodes"

    def run(self, tasks: Sequence[PartTask]) -> Iterator[PartOutcome]:
        import ray

        remote = ray.remote(do_part)
        waiting = [remote.options(num_cpus=task.cores, max_retries=3, **self._options).remote(task) for task in tasks]
        while waiting:
            done, waiting = ray.wait(waiting, num_returns=1)
            try:
                yield from ray.get(done)
            except ray.exceptions.RayError as error:
                raise WorkerFailedError(f"Ray gave up a part: {str(error).splitlines()[0]}") from error

    def close(self) -> None:
        import ray

        ray.shutdown()
