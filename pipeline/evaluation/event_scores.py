"""Scores of sound events by sed_eval (Mesaros, Heittola and Virtanen, Applied Sciences 6(6), 2016)."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import NamedTuple

from pipeline.evaluation.boundary_metrics import COLLAR_MS
from schemas.timespan import TimeSpan

STEP_S = 1.0
"""Length of the stretches that segment-based scores compare."""


class LabelledSpan(NamedTuple):
    """One event: what it is called, and when it sounds."""

    label: str
    span: TimeSpan


class Scene(NamedTuple):
    """The events of one recording, and those that were found."""

    truth: Sequence[LabelledSpan]
    found: Sequence[LabelledSpan]


class EventScores(NamedTuple):
    """F-measures over all labels together."""

    by_event: float
    """Onset within the collar, offset within the collar or 20 % of the event's length."""
    by_second: float
    """Of each second, which labels sound in it."""


def score_events(scenes: Sequence[Scene], labels: Sequence[str]) -> EventScores | None:
    """None where sed_eval is not installed, or nothing is there to be found."""
    if find_spec("sed_eval") is None or not any(scene.truth for scene in scenes):
        return None
    import dcase_util
    import sed_eval

    by_event = sed_eval.sound_event.EventBasedMetrics(
        event_label_list=list(labels),
        t_collar=COLLAR_MS / 1000,
        percentage_of_length=0.2,
        evaluate_onset=True,
        evaluate_offset=True,
    )
    by_second = sed_eval.sound_event.SegmentBasedMetrics(event_label_list=list(labels), time_resolution=STEP_S)
    container = dcase_util.containers.MetaDataContainer
    for index, scene in enumerate(scenes):
        truth, found = (container([_row(index, *event) for event in events]) for events in scene)
        by_event.evaluate(reference_event_list=truth, estimated_event_list=found)
        by_second.evaluate(reference_event_list=truth, estimated_event_list=found)
    return EventScores(_f_measure(by_event), _f_measure(by_second))


def _f_measure(metrics: object) -> float:
    overall = metrics.results_overall_metrics()  # type: ignore[attr-defined]
    return round(float(overall["f_measure"]["f_measure"]), 4)


def _row(index: int, label: str, span: TimeSpan) -> dict[str, str | float]:
    return {
        "filename": f"{index}.flac",
        "event_label": label,
        "onset": span.start_ms / 1000,
        "offset": span.end_ms / 1000,
    }
