"""What is heard between two times, and what is said at one."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import ClassVar, Literal

from pydantic import Field

from soundseam.pipeline.sft.answers import TimedText, labels, wer
from soundseam.pipeline.sft.ask import QuestionDraft, SegmentTask, Wording, grade
from soundseam.pipeline.sft.material import Material, Sighting
from soundseam.pipeline.sft.tasks.sounds import MIN_SCORE, all_sure, is_crowded, is_faint, is_nameable
from soundseam.pipeline.sft.transcripts import cite_transcript, grade_transcript, timed_texts, usable_transcript
from soundseam.pipeline.sft.words import Words, seconds
from soundseam.schemas.timespan import TimeSpan

_GRID_MS = 500
"""Asked times lie on a grid, as a listener's would."""


class TimeQaTask(SegmentTask):
    """Eligible: a segment with several sounds, none in doubt; or a usable transcript with word times."""

    task: Literal["time_qa"] = "time_qa"
    min_score: float = Field(alias="least_score", default=MIN_SCORE, ge=0.0, le=1.0, description="of every event")
    clear_ms: int = Field(
        default=250, ge=0, description="an event that reaches into or out of the asked time by less makes it unfair"
    )

    needs: ClassVar[tuple[str, ...]] = (
        "segments:events",
        "or annotations/speech:transcript.words (usable for training)",
    )

    def asks_of(self, material: Material) -> Iterator[QuestionDraft]:
        yield from self._between(material)
        yield from self._said(material)

    def _between(self, material: Material) -> Iterator[QuestionDraft]:
        names = {one.event.label for one in material.sightings}
        named = all(is_nameable(one.event.event_class, one.event.label) for one in material.sightings)
        if len(names) < 2 or not named or not all_sure(material, self.min_score):
            return
        windows = dict.fromkeys(_window(material, one) for one in material.sightings)
        for window in windows:
            inside = self._heard_in(material, window)
            if inside and len({one.event.label for one in inside}) < len(names):
                yield QuestionDraft(
                    kind="between",
                    topic="",
                    fact=f"{window.start_ms}-{window.end_ms}",
                    materials=(material,),
                    evidence=tuple(one for sighting in inside for one in sighting.evidence),
                    difficulty=grade(crowded=is_crowded(inside), faint=is_faint(inside), timed=True),
                    turn=partial(_between_turn, window, inside),
                )

    def _heard_in(self, material: Material, window: TimeSpan) -> tuple[Sighting, ...]:
        """What sounds in `window` (in the clip's time); nothing where that cannot be said fairly."""
        inside = []
        for one in material.sightings:
            overlap = one.span.shift(-material.segment.start_ms).overlap_ms(window)
            if 0 < overlap < min(self.clear_ms, one.span.duration_ms):
                return ()
            if overlap:
                inside.append(one)
        return tuple(inside)

    def _said(self, material: Material) -> Iterator[QuestionDraft]:
        said = usable_transcript(material)
        if said is None:
            return
        spoken = timed_texts(material, said.sentences)
        for sentence in spoken if len(spoken) > 1 else ():
            middle = (sentence.segment_start_ms + sentence.segment_end_ms) // 2
            yield QuestionDraft(
                kind="said",
                topic="",
                fact=f"{middle}",
                materials=(material,),
                evidence=cite_transcript(material, said, timed=True),
                difficulty=grade_transcript(material, said, timed=True),
                turn=partial(_said_turn, sentence, middle),
            )


def _window(material: Material, sighting: Sighting) -> TimeSpan:
    start, end = (material.in_clip(ms) for ms in sighting.span)
    return TimeSpan(max(0, start // _GRID_MS * _GRID_MS), min(material.duration_ms, -(-end // _GRID_MS) * _GRID_MS))


def _between_turn(window: TimeSpan, inside: tuple[Sighting, ...], words: Words) -> Wording:
    names = list(dict.fromkeys(words.sound(one.event.event_class, one.event.label) for one in inside))
    return Wording(
        words.say("question", start=seconds(window.start_ms), end=seconds(window.end_ms)),
        words.say("answer", sounds=words.listing(names)),
        labels(names),
    )


def _said_turn(sentence: TimedText, middle_ms: int, words: Words) -> Wording:
    return Wording(words.say("question", time=seconds(middle_ms)), sentence.text, wer(sentence.text))
