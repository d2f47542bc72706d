"""The graph as a runner gets it."""

from __future__ import annotations

import apache_beam as beam

from soundseam.pipeline.config import load_config
from soundseam.pipeline.stages.context import RunContext
from soundseam.pipeline.stages.graph import build_graph

ACCELERATOR = "beam:resources:accelerator:v1"


def hints(*overrides: str) -> dict[str, str]:
    """transform → the accelerator that its workers should have, for those that ask for one."""
    pipeline = beam.Pipeline()
    build_graph(pipeline, [], RunContext("out", config=load_config("embedded", overrides)))
    components = pipeline.to_runner_api().components
    asked = {
        transform.unique_name: components.environments[transform.environment_id].resource_hints.get(ACCELERATOR)
        for transform in components.transforms.values()
        if transform.environment_id
    }
    return {name: hint.decode() for name, hint in asked.items() if hint}


def test_a_backend_that_asks_for_an_accelerator_gets_it_and_nothing_else_does() -> None:
    asked = hints("branches.speech=[{kind: voice, accelerator: 'type:nvidia-l4;count:1'}]")
    assert asked
    assert set(asked.values()) == {"type:nvidia-l4;count:1"}
    assert all(name.startswith("speech/voice/Annotate") for name in asked)


def test_without_an_accelerator_nothing_asks_for_one() -> None:
    assert not hints()
