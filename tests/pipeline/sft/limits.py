"""Questions at the limits of a task's options: its configuration, shifted events, marks of answers."""

from __future__ import annotations

from collections.abc import Iterable

from soundseam.pipeline.sft.answers import score_answer
from soundseam.pipeline.sft.build import SftConfig
from soundseam.schemas.event import Event
from soundseam.schemas.sample import Sample
from tests.pipeline.sft.builders import CONFIG


def only_task(config: SftConfig, task: str, **options: object) -> SftConfig:
    """`config` with one task, some of whose options are set."""
    (chosen,) = config.only((task,)).tasks
    return config.model_copy(update={"tasks": (chosen.model_copy(update=options),)})


def shifted(events: Iterable[Event], by_ms: int) -> tuple[Event, ...]:
    """Events that count from a segment's own start, in the recording's time."""
    return tuple(
        one.model_copy(update={"onset_ms": one.onset_ms + by_ms, "offset_ms": one.offset_ms + by_ms}) for one in events
    )


def mark(sample: Sample, answer: str) -> float | None:
    return score_answer(sample.answer_spec, answer, CONFIG.timestamps)
