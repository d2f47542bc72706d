"""Questions about sounds: exact answers, and the limits within which they are asked."""

from __future__ import annotations

import pytest

from soundseam.pipeline.sft.answers import read_timed
from soundseam.schemas.annotation import GeneralAnnotation
from soundseam.schemas.event import Event, EventClass
from soundseam.schemas.sample import Difficulty, Sample
from tests.pipeline.sft.builders import (
    BELL,
    CONFIG,
    DOG,
    ENGLISH,
    MUSIC,
    SPEECH,
    event,
    heard,
    material,
    musical,
    recording,
    samples,
    spoken,
)
from tests.pipeline.sft.limits import mark, only_task, shifted
from tests.support.builders import a_segment

START_MS = 2_000
UNKNOWN = (EventClass.SOURCE_AMBIGUOUS, "sound")


def asked(
    task: str, *events: Event, duration_ms: int = 10_000, salience_db: float | None = None, **options: object
) -> list[Sample]:
    """What is asked of a segment at 2 s of its recording whose events count from its own start."""
    segment = a_segment(start_ms=START_MS, end_ms=START_MS + duration_ms, events=shifted(events, START_MS))
    rows: tuple[GeneralAnnotation, ...] = ()
    if salience_db is not None:
        row = heard(segment)
        measured = tuple(one.model_copy(update={"salience_db": salience_db}) for one in row.events or ())
        rows = (row.model_copy(update={"events": measured}),)
    return samples(recording(material(segment, *rows)), only_task(ENGLISH, task, **options))


def spans_of(sample: Sample) -> list[tuple[int, int, str]]:
    return [(one.segment_start_ms, one.segment_end_ms, one.text) for one in sample.answer_spec.spans]


def barks(*starts_ms: int, score: float = 0.9) -> list[Event]:
    """Barks of 100 ms."""
    return [event(DOG, start_ms, start_ms + 100, score) for start_ms in starts_ms]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 8])
def test_sounds_are_counted_and_taken_for_one_more_or_less(count: int) -> None:
    events = barks(*range(0, 1_000 * count, 1_000))
    (sample,) = asked("counting", *events)
    assert (mark(sample, str(count)), mark(sample, str(count + 1)), mark(sample, str(count - 1))) == (1.0, 0.0, 0.0)
    assert sample.difficulty is (Difficulty.MEDIUM if count > 3 else Difficulty.EASY)
    assert len(sample.evidence) == 4 * count
    (choice,) = [one for one in asked("choice", *events, max_choices=5) if one.topic.startswith("counting")]
    assert {int(one) for one in choice.answer_spec.choices} == {
        number for number in (count - 1, count, count + 1, count + 2, count + 3) if number > 0
    }


def test_sounds_are_counted_if_they_are_few_apart_sure_and_happen_rather_than_last() -> None:
    assert asked("counting", *barks(0, 600), min_gap_ms=500)
    assert not asked("counting", *barks(0, 599), min_gap_ms=500)
    assert asked("counting", *barks(0, 1_000, 2_000), max_times=3)
    assert not asked("counting", *barks(0, 1_000, 2_000, 3_000), max_times=3)
    assert not asked("counting", *barks(0), *barks(1_000, score=0.59), min_score=0.6)
    assert asked("counting", *barks(0), *barks(1_000, score=0.6), min_score=0.6)
    for sound in (SPEECH, MUSIC, (EventClass.SINGING, "singing"), UNKNOWN):
        assert not asked("counting", event(sound, 0, 500))
    assert not asked("counting", event(DOG, 0, 500).model_copy(update={"label": ""}))


def test_a_question_is_harder_where_sounds_overlap_or_are_faint() -> None:
    apart = [event(DOG, 0, 500), event(BELL, 500, 900)]
    over = [event(DOG, 0, 501), event(BELL, 500, 900)]
    for task in ("counting", "duration", "event_when"):
        levels = []
        for events, salience_db in ((apart, 20.0), (apart, 10.0), (over, 20.0), (apart, 9.9), (over, 9.9)):
            made = asked(task, *events, salience_db=salience_db)
            levels.append({one.difficulty for one in made if one.topic == "Bark"})
        easy, medium, hard = {Difficulty.EASY}, {Difficulty.MEDIUM}, {Difficulty.HARD}
        assert levels == [easy, easy, medium, medium, hard]


def test_a_duration_is_of_all_that_is_heard_of_a_sound_once() -> None:
    (sample,) = asked("duration", event(DOG, 0, 2_000), event(DOG, 1_000, 3_000), event(DOG, 5_000, 7_140))
    assert sample.difficulty is Difficulty.HARD
    assert "5.1" in sample.answer
    assert sample.answer_spec.reference == "5.1"
    for answer, right in (("5.1 s", 1.0), ("5.6 s", 1.0), ("4.6 s", 1.0), ("5.7 s", 0.0), ("4.5 s", 0.0)):
        assert mark(sample, answer) == right
    (short,) = asked("duration", event(DOG, 0, 1_000))
    for answer, right in (("1.3 s", 1.0), ("0.7 s", 1.0), ("1.4 s", 0.0), ("0.6 s", 0.0)):
        assert mark(short, answer) == right
    assert asked("duration", event(DOG, 0, 700), min_ms=700)
    assert not asked("duration", event(DOG, 0, 699), min_ms=700)
    assert not asked("duration", event(UNKNOWN, 0, 3_000))


def test_a_list_of_events_is_complete_and_timed_in_the_clip() -> None:
    (sample,) = asked("event_list", event(BELL, 3_000, 4_000), event(DOG, 500, 900))
    written = read_timed(sample.answer, CONFIG.timestamps)
    assert [(one.segment_start_ms, one.segment_end_ms, one.text) for one in written] == spans_of(sample)
    assert [one[:2] for one in spans_of(sample)] == [(500, 900), (3_000, 4_000)]
    assert "bark" in spans_of(sample)[0][2]
    assert "bell" in spans_of(sample)[1][2]
    assert sample.difficulty is Difficulty.EASY
    (longer,) = asked("event_list", *barks(0, 1_000, 2_000))
    assert longer.difficulty is Difficulty.MEDIUM
    assert not asked("event_list")
    assert not asked("event_list", *barks(0), event(UNKNOWN, 500, 900))
    assert not asked("event_list", *barks(0), *barks(1_000, score=0.5))
    assert asked("event_list", *barks(0, 1_000), max_events=2)
    assert not asked("event_list", *barks(0, 1_000, 2_000), max_events=2)


def test_when_a_sound_is_heard_is_told_for_once_and_for_several_times() -> None:
    (once,) = asked("event_when", event(DOG, 1_500, 2_300))
    assert (once.kind, spans_of(once)[0][:2], once.difficulty) == ("once", (1_500, 2_300), Difficulty.EASY)
    assert "1.5" in once.answer
    assert "2.3" in once.answer
    assert " - " not in once.answer
    assert once.answer_spec.reference != once.answer
    (several,) = asked("event_when", *barks(0, 1_000))
    assert (several.kind, several.difficulty) == ("several", Difficulty.MEDIUM)
    assert [one[:2] for one in spans_of(several)] == [(0, 100), (1_000, 1_100)]


def test_when_a_sound_is_heard_is_asked_if_it_is_few_times_and_does_not_fill_the_clip() -> None:
    assert asked("event_when", *barks(0, 1_000), max_times=2)
    assert not asked("event_when", *barks(0, 1_000, 2_000), max_times=2)
    assert asked("event_when", event(DOG, 0, 9_000), max_share=0.9)
    assert not asked("event_when", event(DOG, 0, 9_001), max_share=0.9)
    assert not asked("event_when", event(UNKNOWN, 0, 900))


def test_which_sound_comes_first_is_asked_if_they_begin_apart() -> None:
    (sample,) = asked("order", event(BELL, 1_000, 1_200), event(DOG, 500, 900), min_apart_ms=500)
    assert "bark" in sample.answer_spec.reference.lower()
    assert sample.topic == "Bark/Bell"
    assert mark(sample, sample.answer_spec.reference) == 1.0
    assert not asked("order", event(BELL, 999, 1_200), event(DOG, 500, 900), min_apart_ms=500)
    # The first of each sound counts.
    (again,) = asked("order", event(DOG, 0, 100), event(BELL, 1_000, 1_200), event(DOG, 2_000, 2_100))
    assert "bark" in again.answer_spec.reference.lower()
    (choice,) = [one for one in asked("choice", event(BELL, 1_000, 1_200), event(DOG, 0, 400)) if "order" in one.topic]
    assert len(choice.answer_spec.choices) == 2


def test_what_is_heard_between_two_times_is_every_sound_there() -> None:
    made = asked("time_qa", event(DOG, 700, 1_300), event(BELL, 4_000, 5_000))
    by_time = {("0.5" in one.question, "1.5" in one.question): one for one in made}
    dog = by_time[True, True]
    assert len(made) == 2
    assert len(dog.answer_spec.accepted) == 1
    assert "bark" in dog.answer.lower()
    assert dog.difficulty is Difficulty.MEDIUM
    other = next(one for one in made if one is not dog)
    assert "4.0" in other.question
    assert "5.0" in other.question
    assert "bell" in other.answer.lower()


def test_what_is_heard_between_two_times_is_asked_only_if_it_is_fair() -> None:
    bell = event(BELL, 4_000, 5_000)
    assert len(asked("time_qa", event(DOG, 700, 1_300), bell)) == 2
    # A sound that reaches into the asked time by a little, or is all of the segment's sounds.
    for into_ms, count in ((0, 2), (100, 1), (249, 1), (250, 2)):
        made = asked("time_qa", event(DOG, 700, 4_000 + into_ms), bell, clear_ms=250, max_per_segment=9)
        times = {one.question for one in made if "4.0" in one.question and "5.0" in one.question}
        assert (len(times) == 1) == (into_ms == 0)
        assert count >= len(times)
    assert not asked("time_qa", event(DOG, 0, 900), event(DOG, 4_000, 5_000))
    assert not asked("time_qa", event(DOG, 0, 900), event(UNKNOWN, 4_000, 5_000))
    assert not asked("time_qa", event(DOG, 0, 900, score=0.5), bell)


def test_a_short_sound_inside_the_asked_time_counts_whole() -> None:
    made = asked("time_qa", event(DOG, 700, 2_300), event(BELL, 1_000, 1_100), event(MUSIC, 6_000, 9_000))
    dog = next(one for one in made if "0.5" in one.question and "2.5" in one.question)
    assert len(dog.answer_spec.accepted) == 2
    assert dog.difficulty is Difficulty.HARD


def compared(kind: str, *values: float, **options: object) -> list[Sample]:
    """Questions that compare segments of 4 s which measure `values` of one kind."""
    found = []
    for index, value in enumerate(values):
        start_ms, end_ms = 4_000 * index, 4_000 * (index + 1)
        sound = {"tempo": MUSIC, "level": DOG, "pace": SPEECH}[kind]
        segment = a_segment(start_ms=start_ms, end_ms=end_ms, events=(event(sound, start_ms, end_ms),))
        row = {
            "tempo": lambda s=segment, v=value: musical(s, tempo_bpm=v),
            "level": lambda s=segment, v=value: heard(s, level_dbfs=v),
            "pace": lambda s=segment, v=value: spoken(s, rate_hz=v),
        }[kind]()
        found.append(material(segment, row))
    return [one for one in samples(recording(*found), only_task(ENGLISH, "comparison", **options)) if one.kind == kind]


@pytest.mark.parametrize(
    ("kind", "clear", "unclear"),
    [
        ("tempo", (100.0, 112.5), (100.0, 111.5)),
        ("tempo", (100.0, 169.0), (100.0, 170.0)),
        ("level", (-20.0, -26.0), (-20.0, -25.9)),
        ("pace", (4.0, 5.0), (4.0, 4.9)),
    ],
)
def test_two_segments_are_compared_if_they_lie_clearly_apart(
    kind: str, clear: tuple[float, float], unclear: tuple[float, float]
) -> None:
    answers = []
    for values in (clear, clear[::-1]):
        (sample,) = compared(kind, *values)
        first = values[0] > values[1]
        assert ("first" in sample.answer_spec.reference.lower()) == first
        assert len(sample.segment_ids) == 2
        assert sample.difficulty is Difficulty.MEDIUM
        answers.append(sample.answer)
        assert mark(sample, sample.answer_spec.reference) == 1.0
    assert answers[0] != answers[1]
    for values in (unclear, unclear[::-1]):
        assert not compared(kind, *values)


def test_neighbours_among_those_that_are_measured_are_compared() -> None:
    made = compared("level", -20.0, -30.0, -31.0, -50.0, max_per_segment=9)
    pairs = sorted(tuple(int(name.split("-")[1]) for name in one.segment_ids) for one in made)
    assert pairs == [(0, 4_000), (8_000, 12_000)]


def test_the_right_letter_goes_round_within_a_recording() -> None:
    knock = event((EventClass.OBJECT, "Knock"), 5_000, 5_100)
    made = asked("choice", *barks(0, 1_000), event(BELL, 3_000, 3_200), knock, max_per_segment=99)
    four = [one.answer_spec.correct for one in made if len(one.answer_spec.choices) == 4]
    assert len(made) >= 6
    assert len(four) >= 3
    for sample in made:
        spec = sample.answer_spec
        right = spec.choices[spec.correct]
        assert f"{'ABCDEFGH'[spec.correct]}. {right}" in sample.question
        assert mark(sample, "ABCDEFGH"[spec.correct]) == 1.0
        assert len(spec.choices) <= 4


def test_every_letter_is_right_in_some_recording_and_follows_the_one_before() -> None:
    config = ENGLISH.only(("choice",))
    right = []
    for name in "abcdefgh":
        segment = a_segment(name, end_ms=10_000, events=(*barks(0, 1_000), event(BELL, 3_000, 3_200)))
        of = recording(material(segment), name=name)
        questions = [one for one in config.tasks[0].asks(of) if one.kind == "choice"]  # type: ignore[union-attr]
        made = {one.topic: one.answer_spec for one in samples(of, config)}
        right.append([made[one.topic] for one in questions if len(made[one.topic].choices) == 4])
    assert {spec.correct for specs in right for spec in specs} == {0, 1, 2, 3}
    assert all((later.correct - earlier.correct) % 4 == 1 for earlier, later in right)


def test_tempi_are_compared_from_the_confidence_that_is_set() -> None:
    def count(*sure: float) -> int:
        found = []
        for index, confidence in enumerate(sure):
            start_ms, end_ms = 4_000 * index, 4_000 * (index + 1)
            segment = a_segment(start_ms=start_ms, end_ms=end_ms, events=(event(MUSIC, start_ms, end_ms),))
            found.append(material(segment, musical(segment, 100.0 + 20 * index, confidence)))
        return len(samples(recording(*found), only_task(ENGLISH, "comparison", min_confidence=0.6)))

    assert [count(0.6, 0.6), count(0.59, 0.6), count(0.6, 0.59)] == [1, 0, 0]
