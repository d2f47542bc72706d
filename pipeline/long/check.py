"""Derives the texts of a recording's caption again, from the rows that they cite."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from soundseam.annotators.grammar.engine import GRAMMAR
from soundseam.pipeline.long.caption import caption_recording
from soundseam.pipeline.long.config import LongConfig
from soundseam.pipeline.long.facts import Origin, RecordingFacts, SegmentFacts
from soundseam.pipeline.long.rules import LONG_RULES
from soundseam.pipeline.long.scope import Scope
from soundseam.pipeline.long.things import Things, find_things
from soundseam.pipeline.long.writing import text_problems
from soundseam.schemas.long import RecordingCaption, RecordingClaim
from soundseam.schemas.record import Record
from soundseam.schemas.timespan import TimeSpan


class WrongText(Record):
    """A text of a caption that its evidence does not give."""

    recording_id: str
    text: str
    why: str


def check_recording(caption: RecordingCaption, recording: RecordingFacts, config: LongConfig) -> Iterator[WrongText]:
    """What is wrong with a caption, given the facts that its rows hold now."""

    def wrong(text: str, why: str) -> WrongText:
        return WrongText(recording_id=caption.recording_id, text=text, why=why)

    things = find_things(recording, config.min_name_score)
    found = Things(caption.speakers, caption.pieces, caption.sounds, caption.all_speakers, caption.all_music)
    if things != found:
        yield wrong("speakers, pieces and sounds", "the tables give others")
    covered = [name for chapter in caption.chapters for name in chapter.segment_ids]
    if covered != [one.segment_id for one in recording.segments]:
        yield wrong("chapters", "they do not hold every segment once, in order")
    for text, claims in _texts(caption):
        if text != " ".join(claim.text for claim in claims):
            yield wrong(text, "it is not its claims in order")
    grammar = () if caption.composer == GRAMMAR else tuple(claims_of(caption_recording(recording, config, "")))
    by_id = {one.segment_id: one for one in recording.segments}
    for claim in claims_of(caption):
        if claim.rule in LONG_RULES:
            why = _problem(claim, by_id, things, recording.duration_ms)
        else:
            why = _problem_of_written(claim, grammar)
        if why:
            yield wrong(claim.text, why)


def claims_of(caption: RecordingCaption) -> Iterator[RecordingClaim]:
    """All claims of a caption: summaries, chapters, timeline."""
    yield from caption.summary.claims
    yield from caption.long_summary.claims
    for chapter in caption.chapters:
        yield from chapter.claims
    for line in caption.timeline:
        yield from line.claims


def _texts(caption: RecordingCaption) -> Iterator[tuple[str, Sequence[RecordingClaim]]]:
    yield caption.summary.text, caption.summary.claims
    yield caption.long_summary.text, caption.long_summary.claims
    for line in caption.timeline:
        yield line.text, line.claims
    for chapter in caption.chapters:
        yield f"{chapter.title} {chapter.sentence}".strip(), chapter.claims


def _problem(claim: RecordingClaim, by_id: dict[str, SegmentFacts], things: Things, duration_ms: int) -> str:
    """Why a claim does not follow from what it cites; empty if it does."""
    cited: dict[str, set[Origin]] = {}
    for evidence in claim.evidence:
        for name in evidence.segment_ids:
            cited.setdefault(name, set()).add(Origin(evidence.table, evidence.backend, evidence.field))
    if not cited.keys() <= by_id.keys():
        return "it cites segments that the recording does not have"
    span = TimeSpan(claim.start_ms, claim.end_ms)
    shown = tuple(by_id[name].only(places) for name, places in sorted(cited.items()))
    if any(set(one.origins.values()) != cited[one.segment_id] for one in shown):
        return "it cites values that the rows do not have"
    if any(one.span.intersection(span) != one.span for one in shown):
        return "it cites segments outside the part that it is about"
    scope = Scope(shown, things, claim.subject, duration_ms)
    derived = LONG_RULES[claim.rule].say(scope) if shown else None
    return "" if derived == claim.text else f"its evidence gives {derived!r}"


def _problem_of_written(claim: RecordingClaim, grammar: Sequence[RecordingClaim]) -> str:
    """Why a writer's text does not follow from the grammar's that rest on the same rows; empty if it does."""
    rows, span = set(claim.evidence), TimeSpan(claim.start_ms, claim.end_ms)
    cited = [
        one
        for one in grammar
        if rows.issuperset(one.evidence) and TimeSpan(one.start_ms, one.end_ms) == span and one.subject == claim.subject
    ]
    if not cited:
        return f"there is no rule {claim.rule}, and no text of the grammar rests on its evidence"
    return next(text_problems(claim.text, cited), "")
