"""Recomputes the answers of samples about windows from the rows as they are in the files, without the code that built
them, and finds those that a single segment would answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from soundseam.annotators.grammar.sound_names import broader_labels
from soundseam.pipeline.sft.ask import MAX_SEGMENT_MS
from soundseam.pipeline.sft.read import Tables
from soundseam.schemas.sample import Sample
from soundseam.schemas.tables import LongTable, Table

_NUMBER = re.compile(r"\d+\.\d+")
_SPEAKER = re.compile(r"^(?:Speaker \d+: |说话人\d+：|\[S\d+\])")
_APART_MS = 1_000
_ROUNDING_MS = 51
_YES = {"yes", "是"}
_ORDINALS = (
    ("the first speaker", "第一位说话人"),
    ("the second speaker", "第二位说话人"),
    ("the third speaker", "第三位说话人"),
)

Interval = tuple[int, int]


class LongFacts:
    """A sample about a window, and the rows that it rests on."""

    def __init__(self, sample: Sample, tables: Tables) -> None:
        self.sample, self.tables = sample, tables
        self.window: Mapping[str, Any] = tables.rows[str(LongTable.WINDOWS), sample.audio_ids[0], None]
        self.caption: Mapping[str, Any] = tables.rows[str(LongTable.RECORDING_CAPTIONS), sample.recording_id, None]
        self.start_ms, self.end_ms = int(self.window["start_ms"]), int(self.window["end_ms"])

    @property
    def given(self) -> str:
        return self.sample.answer_spec.reference

    def parts(self, field: str) -> list[Mapping[str, Any]]:
        """The parts of the recording's caption inside the window."""
        return [one for one in self.caption[field] if self.start_ms <= one["start_ms"] and one["end_ms"] <= self.end_ms]

    def occurrences(self, label: str) -> list[Interval]:
        """When a sound occurs, from the events of every segment; less than a second apart is one occurrence."""
        events = [event for name in self.window["segment_ids"] for event in self._events(name)]
        own = [one for one in events if one["label"] == label or label in broader_labels(one["label"])]
        return _joined([(int(one["onset_ms"]), int(one["offset_ms"])) for one in own])

    def _events(self, segment_id: str) -> Sequence[Mapping[str, Any]]:
        """Of the general branch if it lists events, else of the segment's own row."""
        rows = self.tables.by_segment[segment_id]
        of_general = [row for row in rows if "acoustics" in row and row.get("events") is not None]
        chosen = of_general[0] if of_general else self.tables.rows[str(Table.SEGMENTS), segment_id, None]
        found: Sequence[Mapping[str, Any]] = chosen["events"]
        return found

    def asked_ms(self) -> list[int]:
        """The times in the question, in the recording's time."""
        return [self.start_ms + round(float(found) * 1000) for found in _NUMBER.findall(self.sample.question)]

    def needs(self, needed_ms: int) -> Iterator[str]:
        if needed_ms <= MAX_SEGMENT_MS:
            yield f"{max(needed_ms, 0) / 1000:.1f} s of the audio answer it: no more than a segment"


def long_contradictions(sample: Sample, tables: Tables) -> Iterator[str]:
    """What the tables say otherwise than a sample about a window, and whether a single segment would answer it."""
    facts = LongFacts(sample, tables)
    if sample.audio_ms != facts.end_ms - facts.start_ms:
        yield "the window has another length in the tables"
    yield from facts.needs(sample.audio_ms)
    yield from _CHECKS[sample.task, sample.kind](facts)


def _joined(spans: Sequence[Interval]) -> list[Interval]:
    found: list[Interval] = []
    for start, end in sorted(spans):
        if found and start - found[-1][1] <= _APART_MS:
            found[-1] = found[-1][0], max(found[-1][1], end)
        else:
            found.append((start, end))
    return found


def _first_or_last(facts: LongFacts) -> Iterator[str]:
    times = facts.occurrences(facts.sample.topic)
    is_first = facts.sample.kind == "first"
    at_ms = times[0 if is_first else -1][0]
    if abs(float(facts.given) * 1000 - (at_ms - facts.start_ms)) > _ROUNDING_MS:
        yield f"the tables give {(at_ms - facts.start_ms) / 1000:.1f}, the answer is {facts.given}"
    yield from facts.needs(at_ms - facts.start_ms if is_first else facts.end_ms - at_ms)


def _count(facts: LongFacts) -> Iterator[str]:
    times = facts.occurrences(facts.sample.topic)
    if len(times) != int(facts.given):
        yield f"the tables give {len(times)}, the answer is {facts.given}"
    yield from facts.needs(times[-1][0] - times[0][1])


def _longest(facts: LongFacts) -> Iterator[str]:
    turns: dict[str, list[Interval]] = {}
    for one in facts.sample.evidence:
        if one.field == "speakers.turns":
            for turn in facts.tables.value(one):
                span = max(turn["start_ms"], facts.start_ms), min(turn["end_ms"], facts.end_ms)
                if span[0] < span[1]:
                    turns.setdefault(turn["speaker"], []).append(span)
    lengths = {name: _covered(spans) for name, spans in turns.items()}
    longest = max(lengths, key=lambda name: lengths[name])
    position = sorted(turns, key=lambda name: min(turns[name])).index(longest)
    if facts.given not in _ORDINALS[position]:
        yield f"{_ORDINALS[position][0]} speaks longest, the answer is {facts.given}"
    yield from facts.needs(sum(sorted(lengths.values())[-2:]))


def _covered(spans: Sequence[Interval]) -> int:
    total, at = 0, 0
    for start, end in sorted(spans):
        total += max(0, end - max(start, at))
        at = max(at, end)
    return total


def _after(facts: LongFacts) -> Iterator[str]:
    chapters = facts.parts("chapters")
    index = [one["title"] for one in chapters].index(facts.sample.topic)
    if chapters[index + 1]["title"] != facts.given:
        yield f"{chapters[index + 1]['title']} follows, the answer is {facts.given}"
    yield from facts.needs(chapters[index + 1]["start_ms"] - chapters[index]["start_ms"])


def _difference(facts: LongFacts) -> Iterator[str]:
    asked = sorted(facts.asked_ms())
    for start_ms, end_ms in (asked[:2], asked[2:]):
        found = [
            one["sentence"]
            for one in facts.parts("chapters")
            if abs(one["start_ms"] - start_ms) <= _ROUNDING_MS and abs(one["end_ms"] - end_ms) <= _ROUNDING_MS
        ]
        if len(found) != 1 or found[0] not in facts.given:
            yield f"the tables have {found} at {start_ms / 1000:.1f} s"
    yield from facts.needs(asked[2] - asked[1])


def _same_piece(facts: LongFacts) -> Iterator[str]:
    end_ms, start_ms = sorted(facts.asked_ms())
    before, after = (
        {
            piece["name"]
            for piece in facts.caption["pieces"]
            if any(abs(part[edge] - time) <= _ROUNDING_MS for part in piece["parts"])
        }
        for edge, time in (("end_ms", end_ms), ("start_ms", start_ms))
    )
    if bool(before & after) != (facts.given in _YES):
        yield f"before is {', '.join(before)}, after {', '.join(after)}, the answer is {facts.given}"
    yield from facts.needs(start_ms - end_ms)


def _find(facts: LongFacts) -> Iterator[str]:
    (span,) = facts.sample.answer_spec.spans
    found = [one for one in facts.caption["timeline"] if one["text"] == span.text and one in facts.parts("timeline")]
    times = [(one["start_ms"] - facts.start_ms, one["end_ms"] - facts.start_ms) for one in found]
    if times != [(span.segment_start_ms, span.segment_end_ms)]:
        yield f"the tables have this at {times}"
    yield from facts.needs(span.segment_start_ms)


def _lines(field: str, name: str, facts: LongFacts) -> Iterator[str]:
    shift = facts.start_ms
    expected = [(one["start_ms"] - shift, one["end_ms"] - shift, one[name]) for one in facts.parts(field)]
    spans = facts.sample.answer_spec.spans
    if [(one.segment_start_ms, one.segment_end_ms, one.text) for one in spans] != expected:
        yield f"the tables give {len(expected)} lines, the first of them {expected[:1]}"


def _summary(field: str, facts: LongFacts) -> Iterator[str]:
    if facts.caption[field]["text"] != facts.given:
        yield "the summary in the tables is another"
    segments = [name for one in facts.caption["chapters"] for name in one["segment_ids"]]
    if list(facts.window["segment_ids"]) != segments:
        yield "the window is only a part of the recording"


def _transcript(facts: LongFacts) -> Iterator[str]:
    said = [facts.tables.value(one) for one in facts.sample.evidence if one.field == "transcript.text"]
    given = "".join(_SPEAKER.sub("", span.text) for span in facts.sample.answer_spec.spans)
    if _letters(given) != _letters("".join(said)):
        yield "the transcripts in the tables are others"
    spans = facts.sample.answer_spec.spans
    yield from facts.needs(spans[-1].segment_end_ms - spans[0].segment_start_ms)


def _letters(text: str) -> str:
    return "".join(text.split())


_CHECKS: Mapping[tuple[str, str], Callable[[LongFacts], Iterator[str]]] = {
    ("long_qa", "first"): _first_or_last,
    ("long_qa", "last"): _first_or_last,
    ("long_qa", "count"): _count,
    ("long_qa", "longest"): _longest,
    ("long_qa", "after"): _after,
    ("long_qa", "difference"): _difference,
    ("long_qa", "same_piece"): _same_piece,
    ("long_qa", "find"): _find,
    ("long_caption", "timeline"): partial(_lines, "timeline", "text"),
    ("long_caption", "chapters"): partial(_lines, "chapters", "title"),
    ("long_caption", "summary"): partial(_summary, "summary"),
    ("long_caption", "detailed"): partial(_summary, "long_summary"),
    ("long_transcript", "speakers"): _transcript,
    ("long_transcript", "sentences"): _transcript,
}
