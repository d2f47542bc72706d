"""Clusters that run tasks: each engine takes the parts of a run to the cores that it has."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from soundseam.pipeline.config import SetupError
from soundseam.pipeline.engines.dask import DaskEngine
from soundseam.pipeline.engines.parts import Engine
from soundseam.pipeline.engines.ray import RayEngine
from soundseam.pipeline.engines.spark import SparkEngine

ENGINES: Mapping[str, Callable[[str, Mapping[str, str]], Engine]] = {
    "dask": DaskEngine,
    "ray": RayEngine,
    "spark": SparkEngine,
}


def connect(address: str, options: Mapping[str, str]) -> Engine:
    """The engine at `address`, such as `dask://HOST:8786`. Raises SetupError if there is none."""
    scheme = address.partition("://")[0]
    if scheme not in ENGINES or not address.partition("://")[2]:
        known = "ray://HOST:10001, dask://HOST:8786 or spark://HOST:7077"
        raise SetupError(f"--engine {address!r} is no address of an engine: give {known}")
    try:
        return ENGINES[scheme](address, options)
    except ImportError as error:
        raise SetupError(f"--engine {address} needs a package: {error}. See docs/clusters.md") from error
