"""Recomputes the answers of samples from the rows as they are in the files, without the code that built them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, NamedTuple

import numpy as np

from soundseam.annotators.grammar.composer import derive_in
from soundseam.annotators.grammar.engine import join_sentences
from soundseam.pipeline.sft.read import Tables
from soundseam.pipeline.sft.recompute_long import long_contradictions
from soundseam.pipeline.sft.words import instrument_name, sound_name
from soundseam.schemas.claim import Claim, Verdict
from soundseam.schemas.event import EventClass
from soundseam.schemas.sample import Sample, Scoring
from soundseam.schemas.tables import Table

_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_SPEAKER = re.compile(r"^(?:Speaker \d+: |说话人\d+：|\[S\d+\])")
_KEY = re.compile(
    r"(?:(?P<en>[A-G])(?: (?P<sign>flat|sharp))? (?P<mode>major|minor)"
    r"|(?P<zhsign>[升降]?)(?P<zh>[A-G])(?P<zhmode>[大小])调)"
)
_DEGREES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_ONE_DECIMAL = 0.051


def table_contradictions(sample: Sample, tables: Tables) -> Iterator[str]:
    """What the tables say otherwise than a sample, one clause each."""
    for one in sample.evidence:
        try:
            now = tables.value(one)
        except LookupError:
            yield f"{one.table}: no {one.field}"
            continue
        if _plain(now) != json.loads(one.value):
            yield f"{one.table}: {one.field} is no longer {one.value[:40]}"
    if sample.task.startswith("long_"):
        try:
            yield from long_contradictions(sample, tables)
        except (LookupError, TypeError, ValueError) as error:
            yield f"the answer cannot be computed from the tables: {error!r}"
        return
    task, _, rest = sample.topic.partition("/") if sample.task == "choice" else (sample.task, "", sample.kind)
    check = _CHECKS.get(task)
    if check is None:
        return
    try:
        yield from check(_Facts(sample, tables, rest.partition("/")[0]))
    except (LookupError, TypeError, ValueError) as error:
        yield f"the answer cannot be computed from the tables: {error!r}"


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value))


class _Heard(NamedTuple):
    """An event, in ms from the start of the clip."""

    event_class: str
    label: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True)
class _Facts:
    """A sample and the rows that it rests on; `kind` is that of the question, also inside a choice."""

    sample: Sample
    tables: Tables
    kind: str

    @property
    def given(self) -> str:
        """The answer without phrasing."""
        return self.sample.answer_spec.reference

    def cited(self, field: str) -> list[Any]:
        """The present values of a field that the evidence names, in its order."""
        return [self.tables.value(one) for one in self.sample.evidence if one.field == field]

    @cached_property
    def segment(self) -> Mapping[str, Any]:
        return self.tables.rows[str(Table.SEGMENTS), self.sample.segment_ids[0], None]

    @property
    def start_ms(self) -> int:
        return int(self.segment["start_ms"])

    @cached_property
    def events(self) -> list[_Heard]:
        """All events of the row whose events are cited, in order of time."""
        source = next(one for one in self.sample.evidence if one.field.startswith("events"))
        rows = self.tables.rows[source.table, source.segment_id, source.backend]["events"]
        found = [_heard(row, self.start_ms) for row in rows]
        return sorted(found, key=lambda one: (one.start_ms, one.end_ms))

    def named(self, label: str) -> list[_Heard]:
        return [one for one in self.events if one.label == label]

    @property
    def cited_labels(self) -> set[str]:
        return {
            self.tables.value(one)
            for one in self.sample.evidence
            if one.field.startswith("events.") and one.field.endswith(".label")
        }

    def name_of(self, heard: _Heard) -> str:
        return sound_name(EventClass(heard.event_class), heard.label, self.sample.language)

    def differs(self, expected: float, tolerance: float) -> Iterator[str]:
        if abs(float(self.given) - expected) > tolerance:
            yield f"the tables give {expected:g}, the answer is {self.given}"


def _heard(row: Mapping[str, Any], start_ms: int) -> _Heard:
    return _Heard(row["class"], row["label"], row["onset_ms"] - start_ms, row["offset_ms"] - start_ms)


def _filled_s(events: Iterable[_Heard], length_ms: int) -> float:
    """Seconds in which any of the events is audible."""
    is_filled = np.zeros(length_ms, dtype=bool)
    for one in events:
        is_filled[max(one.start_ms, 0) : max(one.end_ms, 0)] = True
    return int(is_filled.sum()) / 1000


def _counting(facts: _Facts) -> Iterator[str]:
    (label,) = facts.cited_labels
    yield from facts.differs(len(facts.named(label)), 0)


def _duration(facts: _Facts) -> Iterator[str]:
    (label,) = facts.cited_labels
    yield from facts.differs(_filled_s(facts.named(label), facts.sample.audio_ms), _ONE_DECIMAL)


def _spans(facts: _Facts) -> Iterator[str]:
    found = facts.events if facts.sample.task == "event_list" else facts.named(next(iter(facts.cited_labels)))
    expected = [(one.start_ms, one.end_ms, facts.name_of(one)) for one in found]
    yield from _other_spans(facts, sorted(expected))


def _other_spans(facts: _Facts, expected: Sequence[tuple[int, int, str]]) -> Iterator[str]:
    spans = facts.sample.answer_spec.spans
    if sorted((one.segment_start_ms, one.segment_end_ms, one.text) for one in spans) != list(expected):
        yield f"the tables give {len(expected)} entries, the first of them {expected[:1]}"


def _first(facts: _Facts) -> Iterator[str]:
    firsts = [facts.named(label)[0] for label in facts.cited_labels]
    expected = facts.name_of(min(firsts, key=lambda one: one.start_ms))
    if facts.given != expected:
        yield f"{expected} begins first, the answer is {facts.given}"


def _reasoning(facts: _Facts) -> Iterator[str]:
    if facts.kind == "bar":
        tempo, beats = facts.cited("rhythm.tempo_bpm")[0], facts.cited("rhythm.beats_per_bar")[0]
        yield from facts.differs(60 * beats / tempo, 0.1)
        return
    sounds = [facts.named(label) for label in facts.cited_labels]
    if facts.kind == "gap":
        first, second = sorted(sound[0] for sound in sounds), sorted(sound[0].start_ms for sound in sounds)
        end = min(first, key=lambda one: one.start_ms).end_ms
        yield from facts.differs((second[1] - end) / 1000, 0.11)
        return
    longest = max(sounds, key=lambda sound: _filled_s(sound, facts.sample.audio_ms))
    if facts.given != facts.name_of(longest[0]):
        yield f"{facts.name_of(longest[0])} lasts longest, the answer is {facts.given}"


def _time_qa(facts: _Facts) -> Iterator[str]:
    if facts.kind == "said":
        yield from _is_said(facts)
        return
    start, end = (round(float(found) * 1000) for found in _NUMBER.findall(facts.sample.question)[:2])
    expected = {facts.name_of(one) for one in facts.events if one.start_ms < end and one.end_ms > start}
    if expected != set(facts.sample.answer_spec.accepted):
        yield f"between these times the tables have {', '.join(sorted(expected))}"


def _rhythm(field: str, tolerance: float, facts: _Facts) -> Iterator[str]:
    yield from facts.differs(facts.cited(f"rhythm.{field}")[0], tolerance)


def _speaker_count(facts: _Facts) -> Iterator[str]:
    yield from facts.differs(len({turn["speaker"] for turn in facts.cited("speakers.turns")[0]}), 0)


def _voice(facts: _Facts) -> Iterator[str]:
    if facts.kind == "longest_pause":
        yield from facts.differs(facts.cited("voice.longest_pause_ms")[0] / 1000, _ONE_DECIMAL)
        return
    rate_hz = facts.cited("voice.syllable_rate_hz")[0]
    is_slow, is_fast = facts.given in {"slow", "较慢"}, facts.given in {"fast", "较快"}
    if (is_slow and rate_hz > 4) or (is_fast and rate_hz < 4.5):
        yield f"{rate_hz:.1f} syllables a second, the answer is {facts.given}"


def key_degree(name: str) -> tuple[int, bool] | None:
    """(semitones above C, whether it is minor) of a key in words; None if it is not spelt as musicians spell it."""
    found = _KEY.fullmatch(name)
    if found is None:
        return None
    sign = {"": 0, "flat": -1, "降": -1, "sharp": 1, "升": 1}[found["sign"] or found["zhsign"] or ""]
    degree = (_DEGREES[found["en"] or found["zh"]] + sign) % 12
    is_minor = (found["mode"] or found["zhmode"]) in {"minor", "小"}
    # Fifths from C: no key that is written has more than six accidentals.
    accidentals = (degree - 9 if is_minor else degree) * 7 % 12
    sharps = accidentals if sign > 0 or (sign == 0 and accidentals <= 6) else accidentals - 12
    return (degree, is_minor) if -6 <= sharps <= 6 else None


def _key(facts: _Facts) -> Iterator[str]:
    tonic, mode = facts.cited("tonality.tonic")[0], facts.cited("tonality.mode")[0]
    expected = (_DEGREES[tonic[0]] + tonic.endswith("#")) % 12, mode == "minor"
    given = key_degree(facts.given)
    if given != expected:
        yield f"the tables have {tonic} {mode}, the answer is {facts.given}"


def _comparison(facts: _Facts) -> Iterator[str]:
    field = {"tempo": "rhythm.tempo_bpm", "level": "acoustics.level_dbfs", "pace": "voice.syllable_rate_hz"}
    first, second = facts.cited(field[facts.kind])
    if (first > second) != (facts.given in {"the first", "第一段"}):
        yield f"{first:g} against {second:g}, the answer is {facts.given}"


def _presence(facts: _Facts) -> Iterator[str]:
    rows = facts.tables.by_segment[facts.sample.segment_ids[0]]
    events = [event for row in rows for name in ("events", "tagged") for event in row.get(name) or ()]
    is_there = any(event["label"] == facts.sample.topic for event in events)
    if is_there != (facts.given in {"yes", "有"}):
        yield f"{facts.sample.topic} is {'' if is_there else 'not '}in the tables, the answer is {facts.given}"


def _chords(facts: _Facts) -> Iterator[str]:
    rows = facts.cited("chords")[0]
    expected = [(row["start_ms"] - facts.start_ms, row["end_ms"] - facts.start_ms, row["label"]) for row in rows]
    yield from _other_spans(facts, sorted(expected))


def _structure(facts: _Facts) -> Iterator[str]:
    rows, spans = facts.cited("sections")[0], facts.sample.answer_spec.spans
    times = [(row["start_ms"] - facts.start_ms, row["end_ms"] - facts.start_ms) for row in rows]
    if times != [(span.segment_start_ms, span.segment_end_ms) for span in spans]:
        yield "the parts have other times in the tables"
    pairs = {(row["label"], span.text.partition(" ")[0]) for row, span in zip(rows, spans, strict=False)}
    if not len(pairs) == len({label for label, _ in pairs}) == len({letter for _, letter in pairs}):
        yield "the parts repeat in another order in the tables"


def _is_said(facts: _Facts) -> Iterator[str]:
    """The answer's words are those of the transcript, in order; all of them unless only one sentence is asked for."""
    found = facts.cited("transcript.text") or facts.cited("lyrics.text")
    spec = facts.sample.answer_spec
    lines = [span.text for span in spec.spans] if spec.scoring is Scoring.SPANS else facts.given.splitlines()
    given, said = (_letters(text) for text in ("".join(_SPEAKER.sub("", line) for line in lines), found[0]))
    if given not in said if facts.kind == "said" else given != said:
        yield "the transcript in the tables is another"


def _letters(text: str) -> str:
    return "".join(text.split())


def _instruments(facts: _Facts) -> Iterator[str]:
    fields = (one for one in facts.sample.evidence if re.fullmatch(r"tags\.\d+\.label", one.field))
    expected = {instrument_name(facts.tables.value(one), facts.sample.language) for one in fields}
    if expected != set(facts.sample.answer_spec.accepted):
        yield f"the tables have {', '.join(sorted(expected))}"


def _caption(facts: _Facts) -> Iterator[str]:
    if all(one.field.startswith("events.") for one in facts.sample.evidence):
        # A summary by templates: the sounds of the tables, the earliest first unless one lasts throughout.
        names = dict.fromkeys(facts.name_of(one) for one in facts.events)
        if any(name not in facts.given for name in names):
            yield f"the tables have {', '.join(names)}"
        return
    rows = facts.tables.by_segment[facts.sample.segment_ids[0]]
    texts = {row.get("caption") for row in rows}
    found = [row.get(name) or () for row in rows for name in ("claims", "caption_claims")]
    claims = {claim["text"] for one in found for claim in one}
    if facts.given not in texts:
        twins = [[_twin(claim, facts.sample.language) for claim in one] for one in found]
        texts |= {join_sentences(filter(None, one)) for one in twins}
        claims |= {text for one in twins for text in one if text}
    lines = [line.removeprefix("- ") for line in facts.given.splitlines()]
    if facts.given not in texts and not set(lines) <= claims:
        yield "no caption in the tables says so"


def _twin(claim: Mapping[str, Any], language: str) -> str | None:
    """A claim's sentence in `language`, derived from its evidence; None if the claim was dropped or has no rule."""
    if claim.get("verdict") == Verdict.DROPPED:
        return None
    return derive_in("zh" if language == "zh" else "en", Claim.model_validate(claim))


_CHECKS: Mapping[str, Callable[[_Facts], Iterator[str]]] = {
    "caption": _caption,
    "asr": _is_said,
    "asr_words": _is_said,
    "asr_sentences": _is_said,
    "speaker_transcript": _is_said,
    "lyrics": _is_said,
    "speaker_count": _speaker_count,
    "voice": _voice,
    "event_list": _spans,
    "event_when": _spans,
    "counting": _counting,
    "order": _first,
    "duration": _duration,
    "time_qa": _time_qa,
    "tempo": partial(_rhythm, "tempo_bpm", 0.5),
    "key": _key,
    "meter": partial(_rhythm, "beats_per_bar", 0),
    "chords": _chords,
    "structure": _structure,
    "instruments": _instruments,
    "presence": _presence,
    "reasoning": _reasoning,
    "comparison": _comparison,
}
"""Answers of other tasks are checked by their evidence alone."""
