"""All tool results of a segment in one form: the input of the merge."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from soundseam.annotators.general.anchor import COMPOSED
from soundseam.annotators.grammar.engine import Rows
from soundseam.annotators.grammar.general import is_muffled, is_steady, rings_on
from soundseam.pipeline.captions.music_results import music_results
from soundseam.pipeline.captions.segment_results import Source, event_results, listed, percent, seconds, segment_results
from soundseam.pipeline.captions.speech_results import speech_results
from soundseam.schemas.annotation import Annotation, GeneralAnnotation, MusicAnnotation
from soundseam.schemas.caption import ResultKind, ToolResult
from soundseam.schemas.general import Acoustics, Repetition
from soundseam.schemas.segment import Segment


def general_results(source: Source, row: GeneralAnnotation) -> Iterator[ToolResult]:
    """One result per field that is not null; events one by one."""
    yield from event_results(source, row.events or ())
    yield from event_results(source, row.tagged or (), "tagged")
    if row.repetition is not None:
        paths = [f"repetition.{name}" for name in ("period_ms", "count", "regularity", "label")]
        content = _repetition_words(row.repetition)
        yield source.result(ResultKind.REPETITION, content, *paths, confidence=row.repetition.regularity)
    if row.acoustics is not None:
        paths = [f"acoustics.{name}" for name in ("silence_share", "stationarity", "decay_time_ms", "bandwidth_hz")]
        yield source.result(ResultKind.ACOUSTICS, _acoustics_words(row.acoustics), *paths)
    yield from _statements(source, row)


def _statements(source: Source, row: GeneralAnnotation) -> Iterator[ToolResult]:
    """Models' statements about the scene. A line composed from events adds nothing to them; an accepted description is
    used as its row's caption."""
    if row.anchor is not None:
        adds = row.anchor.composer != COMPOSED and not row.anchor.unheard
        paths = [f"anchor.{name}" for name in ("text", "composer", "unheard")]
        yield source.result(ResultKind.STATEMENT, row.anchor.text if adds else "", *paths)
    if row.description is not None:
        yield source.result(ResultKind.STATEMENT, "", "description.text")
    if row.judgement is not None:
        yield source.result(ResultKind.OPINION, "", "judgement.mean")


def _repetition_words(repetition: Repetition) -> str:
    return f"a sound comes {repetition.count} times, {seconds(repetition.period_ms)} apart"


def _acoustics_words(acoustics: Acoustics) -> str:
    return listed(
        [
            f"quiet over {percent(acoustics.silence_share)} of the time" if acoustics.silence_share >= 0.2 else "",
            "hardly changing" if is_steady(acoustics.stationarity) else "",
            "slow to die away" if rings_on(acoustics.decay_time_ms) else "",
            "muffled as a whole" if is_muffled(acoustics.bandwidth_hz) else "",
        ]
    )


def tool_results(segment: Segment, annotations: Sequence[Annotation]) -> tuple[ToolResult, ...]:
    """The segment's own profile, events and language, then every field of every row, in the rows' order.

    Pure: equal rows give equal results, so that references to a result can be checked again.
    """
    return results_of(Rows(segment, annotations))


def results_of(rows: Rows) -> tuple[ToolResult, ...]:
    """The tool results of given rows."""
    return (
        *segment_results(Source(rows), rows.segment),
        *(result for row in rows.annotations for result in _row_results(Source(rows, row), row)),
    )


def _row_results(source: Source, row: Annotation) -> Iterator[ToolResult]:
    if isinstance(row, GeneralAnnotation):
        yield from general_results(source, row)
    elif isinstance(row, MusicAnnotation):
        yield from music_results(source, row)
    else:
        yield from speech_results(source, row)
    for index, claim in enumerate(row.caption_claims):
        paths = (f"caption_claims.{index}.text", f"caption_claims.{index}.rule")
        yield source.result(ResultKind.STATEMENT, claim.text, *paths, confidence=claim.probability)
    for index, near in enumerate(row.clap_similarity or ()):
        paths = (f"clap_similarity.{index}.backend", f"clap_similarity.{index}.similarity")
        yield source.result(ResultKind.SIMILARITY, f"the caption of {near.backend} lies near the sound", *paths)
    if row.caption and not row.caption_claims:
        yield source.result(ResultKind.STATEMENT, row.caption, "caption")
