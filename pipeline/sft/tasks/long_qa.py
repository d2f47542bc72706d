"""Questions about windows that nobody can answer from a single segment."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import combinations, pairwise
from typing import ClassVar, Literal

from pydantic import Field

from soundseam.pipeline.sft.answers import exact, number, open_ended, spans
from soundseam.pipeline.sft.ask import LongMaterial, LongTask, QuestionDraft, Wording, grade, near_counts
from soundseam.pipeline.sft.long_evidence import cite_caption, cite_occurrences, cite_turns
from soundseam.pipeline.sft.tasks.long import entirely_in, is_about_part
from soundseam.pipeline.sft.words import Words, language_of, seconds
from soundseam.schemas.claim import Evidence
from soundseam.schemas.long import Chapter, RecurringSound, TimelineLine
from soundseam.schemas.timespan import TimeSpan, covered_ms

_SPEAKING = re.compile(r"\b(speaking|speaks?|speech|talks?|talking)\b")
ORDINALS = ("first", "second", "third")


class LongQaTask(LongTask):
    """Eligible: facts of a window whose answer needs a stretch of more than `min_needed_ms`: when a countable sound
    occurs for the first or last time, how often, which speaker speaks longest, what follows a long chapter, whether
    music after a long talk is the piece before it, when a described moment is, and how two chapters differ."""

    task: Literal["long_qa"] = "long_qa"
    max_per_segment: int = Field(
        default=6, alias="most_per_segment", description="maximum number of samples per window"
    )
    tolerance_ms: int = Field(default=1000, ge=0, description="allowed difference of a time from the reference")
    max_count: int = Field(default=20, ge=2, description="listeners do not count further")
    longest_ratio: float = Field(default=1.3, ge=1.0, description="minimum ratio of the longest speech to the next one")
    talk_share: float = Field(default=0.5, ge=0.0, le=1.0, description="minimum share of speech between two pieces")

    needs: ClassVar[tuple[str, ...]] = ("windows:segment_ids", "recording_captions:timeline")

    def asks_of(self, found: LongMaterial) -> Iterator[QuestionDraft]:
        for sound in found.caption.sounds:
            if sound.countable:
                yield from self._about_sound(found, sound)
        yield from self._longest(found)
        yield from self._after(found)
        yield from self._differences(found)
        yield from self._pieces(found)
        yield from self._moments(found)

    def _about_sound(self, found: LongMaterial, sound: RecurringSound) -> Iterator[QuestionDraft]:
        occurrences = [one.span for one in sound.occurrences if found.touches(one.span)]
        if not occurrences or not all(map(found.holds, occurrences)):
            return
        window, times = found.window, len(occurrences)
        first, last = occurrences[0], occurrences[-1]
        asked = (
            ("first", first, first.start_ms - window.start_ms),
            ("last", last, min(window.end_ms - last.start_ms, last.start_ms - window.start_ms)),
        )
        for kind, span, needed_ms in asked:
            if needed_ms > self.min_needed_ms and times > 1:
                evidence = cite_occurrences(found, sound.evidence, sound.label, [first, last])
                at_ms = span.start_ms - window.start_ms
                turn = partial(_time_turn, sound, at_ms, self.tolerance_ms)
                yield QuestionDraft(kind, evidence, grade(2, timed=True), turn, topic=sound.label)
        if 2 <= times <= self.max_count and last.start_ms - first.end_ms > self.min_needed_ms:
            evidence = cite_occurrences(found, sound.evidence, sound.label, occurrences)
            yield QuestionDraft("count", evidence, grade(3), partial(_count_turn, sound, times), topic=sound.label)

    def _longest(self, found: LongMaterial) -> Iterator[QuestionDraft]:
        """Speakers are called by the order in which they begin to speak in the window."""
        if not found.caption.all_speakers:
            return
        heard = [
            (min(inside), covered_ms(inside), speaker)
            for speaker in found.caption.speakers
            if (
                inside := [
                    turn.span.intersection(found.window.span) for turn in speaker.turns if found.touches(turn.span)
                ]
            )
        ]
        heard.sort(key=lambda one: one[0])
        if not 2 <= len(heard) <= len(ORDINALS):
            return
        by_length = sorted(range(len(heard)), key=lambda index: -heard[index][1])
        longest, next_one = (heard[index] for index in by_length[:2])
        is_clear = longest[1] >= self.longest_ratio * next_one[1] and longest[1] - next_one[1] > 0
        if is_clear and longest[1] + next_one[1] > self.min_needed_ms:
            evidence = cite_turns(found, [row for _, _, speaker in heard for row in speaker.evidence])
            turn = partial(_longest_turn, len(heard), by_length[0])
            yield QuestionDraft("longest", evidence, grade(3), turn, topic=str(len(heard)))

    def _after(self, found: LongMaterial) -> Iterator[QuestionDraft]:
        chapters = entirely_in(found, found.caption.chapters, "title")
        titles = Counter(chapter.title for _, chapter in chapters)
        for (index, one), (other_index, other) in pairwise(chapters):
            offered = sorted(title for title in titles if title != one.title)
            # An answer that names a title inside another one would name both.
            others = [title for title in offered if title != other.title]
            is_clear = bool(others) and not any(other.title.lower() in title.lower() for title in others)
            needed_ms = other.start_ms - one.start_ms
            if is_clear and titles[one.title] == 1 and needed_ms > self.min_needed_ms:
                turn = partial(_after_turn, one.title, other.title, offered)
                languages = (language_of(one.title),)
                evidence = _cite_chapters(found, index, other_index)
                yield QuestionDraft("after", evidence, grade(2), turn, topic=one.title, languages=languages)

    def _differences(self, found: LongMaterial) -> Iterator[QuestionDraft]:
        chapters = entirely_in(found, found.caption.chapters, "sentence")
        for (index, one), (other_index, other) in combinations(chapters, 2):
            if one.event_class != other.event_class and other.start_ms - one.end_ms > self.min_needed_ms:
                evidence = _cite_chapters(found, index, other_index)
                turn = partial(_difference_turn, found, one, other)
                fact, languages = f"{index}/{other_index}", (language_of(one.sentence),)
                yield QuestionDraft("difference", evidence, grade(3), turn, fact=fact, languages=languages)

    def _pieces(self, found: LongMaterial) -> Iterator[QuestionDraft]:
        parts = [
            (part.span, index, piece)
            for index, piece in enumerate(found.caption.pieces)
            for part in piece.parts
            if found.touches(part.span)
        ]
        parts.sort(key=lambda one: one[0])
        for (before, index, one), (after, other_index, other) in pairwise(parts):
            between = TimeSpan(before.end_ms, after.start_ms)
            is_talk = _talk_ms(found, between) >= self.talk_share * between.duration_ms
            # Only what is surely another piece is one.
            is_known = one is other or one.distinct or other.distinct
            if between.duration_ms > self.min_needed_ms and is_talk and is_known and found.holds(before):
                paths = (
                    f"pieces.{each}.{name}"
                    for each in dict.fromkeys((index, other_index))
                    for name in ("name", "parts")
                )
                evidence = cite_caption(found.caption, *paths)
                turn = partial(_same_turn, found, before, after, one is other)
                fact = f"{before.start_ms}/{after.start_ms}"
                yield QuestionDraft("same_piece", evidence, grade(3), turn, fact=fact)

    def _moments(self, found: LongMaterial) -> Iterator[QuestionDraft]:
        lines = found.caption.timeline
        known = {sound.name for sound in found.caption.sounds if sound.countable}
        contents = [_content_of(line) for line in lines if found.touches(line.span)]
        for index, line in enumerate(lines):
            content = _content_of(line)
            # Alone, only a sound of which all occurrences are known is surely nowhere else.
            is_only = (len(content) > 1 or content <= known) and sum(content <= other for other in contents) == 1
            is_far = line.start_ms - found.window.start_ms > self.min_needed_ms
            if found.holds(line.span) and is_only and is_far and is_about_part(found, line.text):
                paths = (f"timeline.{index}.{name}" for name in ("start_ms", "end_ms", "text"))
                turn = partial(_moment_turn, found, line, self.tolerance_ms)
                evidence = cite_caption(found.caption, *paths)
                languages = (language_of(line.text),)
                yield QuestionDraft("find", evidence, grade(2, timed=True), turn, fact=str(index), languages=languages)


def _content_of(line: TimelineLine) -> frozenset[str]:
    """What a line names, whoever speaks and whichever piece plays."""
    parts = (part.strip() for part in line.text.split(","))
    plain = ("speech" if _SPEAKING.search(part) else "music" if part.startswith("music") else part for part in parts)
    return frozenset(plain)


def _cite_chapters(found: LongMaterial, *indices: int) -> tuple[Evidence, ...]:
    names = ("start_ms", "end_ms", "title", "sentence")
    return cite_caption(found.caption, *(f"chapters.{index}.{name}" for index in indices for name in names))


def _talk_ms(found: LongMaterial, span: TimeSpan) -> int:
    turns = (turn.span.intersection(span) for speaker in found.caption.speakers for turn in speaker.turns)
    return covered_ms(turn for turn in turns if turn.duration_ms)


def _time_turn(sound: RecurringSound, at_ms: int, tolerance_ms: int, words: Words) -> Wording:
    name = words.sound(sound.event_class, sound.label)
    spec = number(at_ms / 1000, tolerance_ms / 1000, "s", decimals=1)
    return Wording(words.say("question", sound=name), words.say("answer", time=seconds(at_ms)), spec)


def _count_turn(sound: RecurringSound, times: int, words: Words) -> Wording:
    question = words.say("question", sound=words.sound(sound.event_class, sound.label))
    return Wording(question, words.say("answer", count=str(times)), number(times, 0, None), rivals=near_counts(times))


def _longest_turn(count: int, longest: int, words: Words) -> Wording:
    names = [words.say(name) for name in ORDINALS[:count]]
    spec = exact(names[longest], offered=names)
    return Wording(
        words.say("question", names=words.listing(names, "or")), words.say("answer", name=names[longest]), spec
    )


def _after_turn(before: str, after: str, offered: Sequence[str], words: Words) -> Wording:
    options = words.listing([f"“{title}”" for title in offered], "or")
    question = words.say("question", before=before, options=options)
    return Wording(question, words.say("answer", after=after), exact(after, offered=offered))


def _same_turn(found: LongMaterial, before: TimeSpan, after: TimeSpan, is_same: bool, words: Words) -> Wording:
    ends, begins = (found.timed(span, "") for span in (before, after))
    names = [words.say("yes"), words.say("no")]
    answer = names[0] if is_same else names[1]
    times = {"end": seconds(ends.segment_end_ms), "start": seconds(begins.segment_start_ms)}
    spec = exact(answer, offered=names)
    return Wording(words.say("question", **times), words.say("same" if is_same else "other"), spec)


def _moment_turn(found: LongMaterial, line: TimelineLine, tolerance_ms: int, words: Words) -> Wording:
    entry = found.timed(line.span, line.text)
    text = words.timed([entry])
    start, end = seconds(entry.segment_start_ms), seconds(entry.segment_end_ms)
    answer = words.say("answer", start=start, end=end)
    return Wording(words.say("question", text=line.text.rstrip(".。")), answer, spans([entry], text, tolerance_ms))


def _difference_turn(found: LongMaterial, one: Chapter, other: Chapter, words: Words) -> Wording:
    first, second = (found.timed(chapter.span, "") for chapter in (one, other))
    times = {
        "start": seconds(first.segment_start_ms),
        "end": seconds(first.segment_end_ms),
        "begin": seconds(second.segment_start_ms),
        "stop": seconds(second.segment_end_ms),
    }
    answer = words.say("answer", first=one.sentence, second=other.sentence)
    return Wording(words.say("question", **times), answer, open_ended(answer))
