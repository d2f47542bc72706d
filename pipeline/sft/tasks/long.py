"""Descriptions and transcripts of windows of more than one segment."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import groupby
from operator import attrgetter
from typing import ClassVar, Literal, TypeVar

from pydantic import Field

from soundseam.annotators.speech.transcripts import joined_words
from soundseam.annotators.speech.turns import with_speakers
from soundseam.pipeline.sft.answers import TimedText, spans
from soundseam.pipeline.sft.ask import LongMaterial, LongTask, QuestionDraft, Wording, grade, open_turn
from soundseam.pipeline.sft.long_evidence import cite_caption, cite_turns
from soundseam.pipeline.sft.material import Material
from soundseam.pipeline.sft.transcripts import Said, cite_transcript, usable_transcript
from soundseam.pipeline.sft.words import Words, language_of
from soundseam.schemas.annotation import SpeechAnnotation
from soundseam.schemas.claim import Evidence
from soundseam.schemas.event import EventClass
from soundseam.schemas.long import Stretch
from soundseam.schemas.speech import Turn
from soundseam.schemas.timespan import TimeSpan

MIN_LINES = 3
"""Fewer lines are no timeline."""
_ABOUT_ALL = re.compile(r"\b(Speaker|Piece) [0-9A-Z]|\bagain\b|说话人|乐曲")
"""Words that refer to the whole recording: a part of it may not tell who Speaker 2 is."""


def is_about_part(found: LongMaterial, text: str) -> bool:
    """Whether a text can be understood by who hears the window alone."""
    return found.is_whole or not _ABOUT_ALL.search(text)


class LongCaptionTask(LongTask):
    """Eligible: a window that contains whole lines of the timeline (at least three) or whole chapters (at least two);
    for summaries, the whole recording. Texts about a part of a recording name no speaker or piece by its number."""

    task: Literal["long_caption"] = "long_caption"
    max_per_segment: int = Field(
        default=3, alias="most_per_segment", description="maximum number of samples per window"
    )
    tolerance_ms: int = Field(default=1000, ge=0, description="allowed difference of an edge from the reference")

    needs: ClassVar[tuple[str, ...]] = ("windows:segment_ids", "recording_captions:timeline")

    def asks_of(self, found: LongMaterial) -> Iterator[QuestionDraft]:
        caption = found.caption
        lines = entirely_in(found, caption.timeline, "text")
        if len(lines) >= MIN_LINES:
            yield self._timed("timeline", "text", found, "timeline", lines)
        chapters = entirely_in(found, caption.chapters, "title")
        if len(chapters) > 1:
            yield self._timed("chapters", "title", found, "chapters", chapters)
        if found.is_whole:
            for kind, field in (("summary", "summary"), ("detailed", "long_summary")):
                text = getattr(caption, field).text
                if text:
                    evidence = cite_caption(caption, f"{field}.text")
                    yield QuestionDraft(
                        kind, evidence, grade(3), partial(open_turn, text), languages=(language_of(text),)
                    )

    def _timed(
        self, kind: str, name: str, found: LongMaterial, field: str, parts: Sequence[tuple[int, Stretch]]
    ) -> QuestionDraft:
        """Parts of the caption with their times; a draft without entries is never said."""
        entries = [found.timed(part.span, getattr(part, name)) for _, part in parts]
        paths = (f"{field}.{index}.{each}" for index, _ in parts for each in ("start_ms", "end_ms", name))
        turn = partial(_timed_turn, name, entries, self.tolerance_ms)
        language = language_of(" ".join(entry.text for entry in entries))
        return QuestionDraft(
            kind, cite_caption(found.caption, *paths), grade(3, timed=True), turn, languages=(language,)
        )


PartT = TypeVar("PartT", bound=Stretch)


def entirely_in(found: LongMaterial, parts: Sequence[PartT], name: str) -> list[tuple[int, PartT]]:
    """The (position, part) of those in a window; none if one is only partly inside, or if the text in its field `name`
    is missing or about the whole recording."""
    touched = [(index, part) for index, part in enumerate(parts) if found.touches(part.span)]
    texts = [str(getattr(part, name)) for _, part in touched]
    fit = all(found.holds(part.span) for _, part in touched) and all(texts)
    return touched if fit and all(is_about_part(found, text) for text in texts) else []


def _timed_turn(what: str, entries: Sequence[TimedText], tolerance_ms: int, words: Words) -> Wording:
    text = words.timed(entries)
    return Wording(words.say("question", form=words.form(what)), text, spans(entries, text, tolerance_ms))


class LongTranscriptTask(LongTask):
    """Eligible: a window with speech in at least two segments, in each of which the transcript is usable and has times;
    with speakers if it is sure who says each word."""

    task: Literal["long_transcript"] = "long_transcript"
    max_per_segment: int = Field(
        default=1, alias="most_per_segment", description="maximum number of samples per window"
    )
    tolerance_ms: int = Field(default=500, ge=0, description="allowed difference of an edge from the reference")
    max_speakers: int = Field(default=6, ge=2, description="listeners cannot distinguish more")

    needs: ClassVar[tuple[str, ...]] = (
        "windows:segment_ids",
        "annotations/speech:transcript.words (usable for training)",
    )

    def asks_of(self, found: LongMaterial) -> Iterator[QuestionDraft]:
        spoken = [(material, usable_transcript(material)) for material in found.segments if _has_speech(material)]
        said = [(material, each) for material, each in spoken if each is not None and each.words]
        if len(said) < 2 or len(said) < len(spoken):
            return
        evidence = [one for material, each in said for one in cite_transcript(material, each, timed=True)]
        length_ms = said[-1][1].words[-1].end_ms - said[0][1].words[0].start_ms
        if length_ms <= self.min_needed_ms:
            return
        utterances = list(self._utterances(found, said))
        if utterances:
            rows = [row for speaker in found.caption.speakers for row in speaker.evidence]
            cited = tuple(evidence) + cite_turns(found, rows)
            yield self._draft("speakers", cited, utterances)
        else:
            sentences = [one for _, each in said for one in each.sentences]
            entries = [found.timed(TimeSpan(one.start_ms, one.end_ms), one.text.strip()) for one in sentences]
            yield self._draft("sentences", tuple(evidence), [(entry, 0) for entry in entries])

    def _utterances(
        self, found: LongMaterial, said: Sequence[tuple[Material, Said]]
    ) -> Iterator[tuple[TimedText, int]]:
        """(timed words, number of the speaker in order of appearance); none unless every word has one of several."""
        turns = sorted((turn.span, speaker.speaker) for speaker in found.caption.speakers for turn in speaker.turns)
        by_segment = [with_speakers(each.words, _turns_in(material, turns)) for material, each in said]
        names = list(dict.fromkeys(word.speaker for words in by_segment for word in words))
        if None in names or not 2 <= len(names) <= self.max_speakers:
            return
        for words in by_segment:
            for speaker, group in groupby(words, key=attrgetter("speaker")):
                members = list(group)
                text = joined_words([word.text.strip() for word in members])
                span = TimeSpan(members[0].start_ms, members[-1].end_ms)
                yield found.timed(span, text), names.index(speaker) + 1

    def _draft(
        self, kind: str, evidence: tuple[Evidence, ...], entries: Sequence[tuple[TimedText, int]]
    ) -> QuestionDraft:
        turn = partial(_transcript_turn, entries, self.tolerance_ms)
        return QuestionDraft(kind, evidence, grade(3, timed=True), turn)


def _turns_in(material: Material, turns: Iterable[tuple[TimeSpan, str]]) -> list[Turn]:
    return [
        Turn(speaker=speaker, start_ms=span.start_ms, end_ms=span.end_ms, overlapped=False)
        for span, speaker in turns
        if span.overlap_ms(material.segment.span)
    ]


def _transcript_turn(entries: Sequence[tuple[TimedText, int]], tolerance_ms: int, words: Words) -> Wording:
    def line(speaker: int, text: str) -> str:
        return words.say("line", number=str(speaker), code=f"{speaker:02d}", text=text) if speaker else text

    named = [entry.model_copy(update={"text": line(speaker, entry.text)}) for entry, speaker in entries]
    text = words.timed(named)
    form = words.form(line(1, "…") if entries[0][1] else "sentence")
    return Wording(words.say("question", form=form), text, spans(named, text, tolerance_ms))


def _has_speech(material: Material) -> bool:
    if any(event.event_class is EventClass.SPEECH for event in material.segment.events):
        return True
    return any(row.transcript is not None and row.transcript.text.strip() for row in material.all(SpeechAnnotation))
