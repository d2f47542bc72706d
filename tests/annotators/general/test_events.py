from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundseam.annotators.base import BackendUnavailableError, Clip
from soundseam.annotators.general.clap_tags import GeneralClapTags
from soundseam.annotators.general.events import MeasuredEvents, MergedEvent, measure_events, merge_events
from soundseam.annotators.general.tagger import Tagger
from soundseam.schemas.annotation import GeneralAnnotation
from soundseam.schemas.event import Branch, Event, EventClass
from soundseam.schemas.general import GeneralFacts, HeardEvent
from tests.annotators.general.builders import clip, event, noise, ringing, silence, tone
from tests.annotators.general.tiny import clap_tags, tagger
from tests.support.builders import a_segment, an_event

ANIMAL, AMBIGUOUS, OBJECT, SPEECH = (
    EventClass.ANIMAL,
    EventClass.SOURCE_AMBIGUOUS,
    EventClass.OBJECT,
    EventClass.SPEECH,
)


def merged(detected: list[Event], tagged: list[tuple[str, Event]]) -> list[MergedEvent]:
    return list(merge_events(detected, tagged, min_score=0.5))


def test_what_two_heard_is_one_event_with_the_finer_name_and_both_sources() -> None:
    (one,) = merged(
        [an_event(ANIMAL, 1_000, 3_000, score=0.6)], [("tagger", an_event(ANIMAL, 1_200, 2_800, "Bark", 0.8))]
    )
    assert (one.event.label, one.event.score) == ("Bark", 0.8)
    assert (one.event.onset_ms, one.event.offset_ms) == (1_000, 3_000), "the detection stage's times stay"
    assert [(source.source, source.label, source.score) for source in one.sources] == [
        ("detection", "animal", 0.6),
        ("tagger", "Bark", 0.8),
    ]


def test_an_event_of_no_sure_source_takes_the_class_of_whoever_names_it() -> None:
    (one,) = merged([an_event(AMBIGUOUS, 0, 2_000)], [("tagger", an_event(ANIMAL, 0, 2_000, "Bark", 0.7))])
    assert one.event.event_class is ANIMAL


def test_classes_that_gainsay_each_other_stay_two_events() -> None:
    found = merged([an_event(SPEECH, 0, 2_000)], [("tagger", an_event(OBJECT, 0, 2_000, "Door", 0.9))])
    assert [one.event.event_class for one in found] == [OBJECT, SPEECH]


def test_the_surest_name_wins_and_every_tagger_is_kept_as_a_source() -> None:
    (one,) = merged(
        [an_event(ANIMAL, 0, 2_000)],
        [
            ("clap_tags", an_event(ANIMAL, 0, 2_000, "a dog", 0.75)),
            ("tagger", an_event(ANIMAL, 0, 1_900, "Animal", 0.6)),
            ("tagger", an_event(ANIMAL, 0, 1_800, "Bark", 0.9)),
        ],
    )
    assert one.event.label == "Bark"
    assert [source.label for source in one.sources] == ["animal", "Bark", "a dog", "Animal"]


def test_what_a_tagger_alone_heard_counts_from_the_least_score_on() -> None:
    found = merged(
        [],
        [
            ("tagger", an_event(OBJECT, 4_000, 5_000, "Door", 0.8)),
            ("tagger", an_event(OBJECT, 4_100, 5_000, "Knock", 0.3)),
            ("tagger", an_event(ANIMAL, 0, 1_000, "Bark", 0.49)),
        ],
    )
    assert [(one.event.label, [source.label for source in one.sources]) for one in found] == [
        ("Door", ["Door", "Knock"])
    ]


def test_little_common_time_makes_two_events() -> None:
    found = merged([an_event(ANIMAL, 0, 2_000)], [("tagger", an_event(ANIMAL, 1_500, 3_500, "Bark", 0.9))])
    assert len(found) == 2


def test_an_event_beside_another_goes_to_the_one_it_shares_most_with() -> None:
    first, second = an_event(ANIMAL, 0, 2_000), an_event(ANIMAL, 2_000, 4_000)
    found = merged([first, second], [("tagger", an_event(ANIMAL, 1_900, 3_900, "Bark", 0.9))])
    assert [len(one.sources) for one in found] == [1, 2]


def a_row(clip: Clip, backend: str, tagged: tuple[Event, ...]) -> GeneralAnnotation:
    return GeneralAnnotation(
        segment_id=clip.segment.segment_id,
        recording_id=clip.segment.recording_id,
        branch=Branch.GENERAL,
        backend=backend,
        model="m",
        revision="1",
        config_key="k",
        tagged=tagged,
    )


def test_the_branchs_events_are_those_of_all_that_listened_each_measured() -> None:
    segment = a_segment("a", 5_000, 9_000, (an_event(AMBIGUOUS, 5_000, 6_000),))
    samples = np.random.default_rng(0).normal(0, 0.1, 64_000).astype(np.float32)
    clip = Clip(segment, samples, 16_000)
    rows = (a_row(clip, "tagger", (an_event(ANIMAL, 5_100, 6_000, "Bark"), an_event(OBJECT, 8_000, 9_000, "Door"))),)
    (facts,) = MeasuredEvents().load().annotate([Clip(segment, samples, 16_000, rows)])
    assert facts.events is not None
    found = [(one.label, [source.source for source in one.sources]) for one in facts.events]
    assert found == [("Bark", ["detection", "tagger"]), ("Door", ["tagger"])]
    assert all(one.level_dbfs is not None for one in facts.events)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


def clip_of(samples: np.ndarray, rate_hz: int) -> Clip:
    end_ms = 3_000 + len(samples) * 1000 // rate_hz
    return Clip(a_segment("a", 3_000, end_ms), samples.astype(np.float32), rate_hz)


def test_a_tagger_tells_labels_that_sound_together_apart(folder: Path) -> None:
    noise = np.random.default_rng(0).normal(0, 0.2, 8 * 16_000)
    noise[: 2 * 16_000] = 0
    (facts,) = tagger(folder).load().annotate([clip_of(noise, 16_000)])
    assert facts.tagged
    assert len({event.label for event in facts.tagged}) > len({event.event_class for event in facts.tagged})
    assert all(4_500 <= event.onset_ms < event.offset_ms <= 11_000 for event in facts.tagged)


def test_clap_hears_each_label_when_it_sounds(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("Bark\nrain on a tin roof\n")
    backend = clap_tags(folder).model_copy(
        update={
            "labels": str(tmp_path / "labels.txt"),
            "thresholds": GeneralClapTags().thresholds.model_copy(update={"enter": 0.01, "stay": 0.01}),
        }
    )
    (facts,) = backend.load().annotate([clip_of(np.random.default_rng(0).normal(0, 0.1, 9 * 48_000), 48_000)])
    assert facts.tagged is not None
    assert {(event.label, event.event_class) for event in facts.tagged} == {
        ("Bark", ANIMAL),
        ("rain on a tin roof", AMBIGUOUS),
    }
    assert {(event.onset_ms, event.offset_ms) for event in facts.tagged} == {(3_000, 12_000)}


def test_a_missing_label_file_is_named() -> None:
    with pytest.raises(BackendUnavailableError, match=r"none\.txt"):
        GeneralClapTags(labels="none.txt").check_available()


def test_a_tagger_that_cannot_load_says_so_in_its_own_words() -> None:
    backend = Tagger.model_validate({"kind": "tagger", "tagger": {"kind": "frame_sed", "weights": "none.onnx"}})
    with pytest.raises(BackendUnavailableError, match=r"none\.onnx"):
        backend.load()


def heard(samples: np.ndarray, events: Sequence[Event], start_ms: int = 0) -> tuple[HeardEvent, ...]:
    facts = measure_events(clip(samples, events, start_ms))
    assert facts.events is not None
    return facts.events


def measure(samples: np.ndarray, events: Sequence[Event]) -> GeneralFacts:
    return measure_events(clip(samples, events))


def test_every_event_comes_back_in_order_with_its_times_and_score() -> None:
    events = [event("bell", 5_200, 5_700), event("door", 6_000, 6_500)]
    answers = heard(noise(2), events, start_ms=5_000)
    assert [(e.label, e.onset_ms, e.offset_ms, e.score) for e in answers] == [
        ("bell", 5_200, 5_700, 0.9),
        ("door", 6_000, 6_500, 0.9),
    ]


def test_salience_is_the_level_over_the_time_without_events() -> None:
    samples = np.concatenate([noise(1, 0.001), noise(1, 0.1, seed=1), noise(1, 0.001, seed=2)])
    (bang,) = heard(samples, [event("bang", 1_000, 2_000)])
    assert bang.level_dbfs == pytest.approx(-20, abs=0.3)
    assert bang.salience_db == pytest.approx(40, abs=1)


def test_an_event_that_fills_the_segment_has_no_salience() -> None:
    (hum,) = heard(tone(100, 2), [event("hum", 0, 2_000)])
    assert hum.salience_db is None


def test_an_event_in_digital_silence_has_no_level_but_is_kept() -> None:
    (ghost,) = heard(silence(2), [event("ghost", 500, 1_000)])
    assert (ghost.level_dbfs, ghost.salience_db, ghost.brightness_hz, ghost.tonal_share, ghost.attack_ms) == (
        None,
        None,
        None,
        None,
        None,
    )


def test_a_beep_is_tonal_and_a_hiss_is_not() -> None:
    samples = np.concatenate([noise(0.5, 0.001), tone(1_000, 1), noise(0.5, 0.001), noise(1, 0.1)])
    beep, hiss = heard(samples, [event("beep", 500, 1_500), event("hiss", 2_000, 3_000)])
    assert beep.tonal_share is not None
    assert beep.tonal_share > 0.9
    assert hiss.tonal_share == 0.0


def test_rumble_without_partials_is_not_tonal() -> None:
    rumble = np.cumsum(noise(3, 0.01))
    (thunder,) = heard(rumble - rumble.mean(), [event("thunder", 0, 3_000)])
    assert thunder.tonal_share is not None
    assert thunder.tonal_share < 0.1


def test_brightness_is_the_frequency_of_a_tone() -> None:
    (whistle,) = heard(tone(2_500, 2), [event("whistle", 500, 1_500)])
    assert whistle.brightness_hz == pytest.approx(2_500, rel=0.02)


def test_attack_tells_a_swell_from_a_stroke() -> None:
    swell = noise(1) * np.linspace(0, 1, 16_000)
    stroke = noise(1) * np.linspace(1, 0, 16_000)
    rising, falling = heard(
        np.concatenate([swell, silence(0.5), stroke]), [event("swell", 0, 1_000), event("stroke", 1_500, 2_500)]
    )
    assert rising.attack_ms is not None
    assert rising.attack_ms > 600
    assert falling.attack_ms is not None
    assert falling.attack_ms < 300


def test_beeps_at_even_distances_repeat() -> None:
    onsets = range(0, 10_000, 1_000)
    facts = measure(noise(10, 0.01), [event("beep", onset, onset + 200) for onset in onsets])
    assert facts.repetition is not None
    assert (facts.repetition.period_ms, facts.repetition.count, facts.repetition.label) == (1_000, 10, "beep")
    assert facts.repetition.regularity == 1.0


def test_events_at_uneven_distances_do_not_repeat() -> None:
    onsets = [0, 300, 2_100, 2_400, 6_000]
    assert measure(noise(8, 0.01), [event("bark", onset, onset + 200) for onset in onsets]).repetition is None


def test_two_events_are_too_few_to_repeat() -> None:
    assert measure(noise(3, 0.01), [event("knock", 0, 100), event("knock", 1_000, 1_100)]).repetition is None


def test_speech_does_not_count_as_a_repeating_sound() -> None:
    turns = [event("speech", onset, onset + 500, EventClass.SPEECH) for onset in range(0, 8_000, 1_000)]
    assert measure(noise(8, 0.01), turns).repetition is None


def test_bursts_inside_one_long_event_repeat_at_their_period() -> None:
    burst = np.concatenate([noise(0.1, 0.3), noise(0.4, 0.002)])
    facts = measure(np.tile(burst, 16), [event("alarm", 0, 8_000)])
    assert facts.repetition is not None
    assert facts.repetition.period_ms == pytest.approx(500, abs=10)
    assert facts.repetition.count == 16
    assert facts.repetition.label is None


def test_the_same_sound_comes_again_in_a_hall_though_the_detector_hears_one_event() -> None:
    beep = np.concatenate([tone(900, 0.15), silence(0.85)])
    hall = ringing(1.5, 1.0, seed=1)
    samples = np.convolve(np.tile(beep, 8), hall / np.linalg.norm(hall))[: 8 * 16_000]
    facts = measure(samples, [event("sound", 0, 8_000)])
    assert facts.repetition is not None
    assert facts.repetition.period_ms == pytest.approx(1_000, abs=20)
    assert facts.repetition.count == 8


def test_different_sounds_at_even_distances_do_not_repeat() -> None:
    sounds = [noise(0.5, 0.3), tone(500, 0.5), tone(2_500, 0.2), ringing(0.6, 0.2)]
    samples = np.concatenate([np.concatenate([one, noise(2 - len(one) / 16_000, 0.001)]) for one in sounds])
    onsets = range(0, 8_000, 2_000)
    assert measure(samples, [event("sound", onset, onset + 600) for onset in onsets]).repetition is None


def test_steady_noise_does_not_repeat() -> None:
    assert measure(noise(8), [event("rain", 0, 8_000)]).repetition is None


def test_a_segment_without_events_answers_an_empty_list() -> None:
    facts = measure(noise(1), [])
    assert facts.events == ()
    assert facts.repetition is None


@pytest.mark.parametrize("length", [1, 80, 800])
def test_an_event_in_a_clip_of_a_few_milliseconds_is_measured(length: int) -> None:
    samples = tone(440, 1)[:length]
    (blip,) = heard(samples, [event("blip", 0, max(1, length // 16))])
    assert blip.attack_ms is None or 0 <= blip.attack_ms <= length / 16


def test_clipped_sound_is_measured() -> None:
    (buzz,) = heard(np.clip(tone(200, 2, amplitude=8.0), -1, 1), [event("buzz", 500, 1_500)])
    assert buzz.level_dbfs == pytest.approx(0, abs=0.5)


def test_clips_are_answered_in_order() -> None:
    one, two = clip(noise(1), [event("one", 0, 500)]), clip(noise(1), [event("two", 0, 500)])
    answers = MeasuredEvents().load().annotate([one, two, one])
    assert [answer.events[0].label for answer in answers if answer.events] == ["one", "two", "one"]


@given(
    st.lists(st.tuples(st.integers(0, 2_999), st.integers(1, 3_000)), max_size=6),
    st.integers(0, 10**9),
)
def test_any_events_inside_the_segment_are_measured(spans: list[tuple[int, int]], start_ms: int) -> None:
    events = [
        event("thing", start_ms + onset, start_ms + min(3_000, onset + length)) for onset, length in sorted(spans)
    ]
    answers = heard(noise(3), events, start_ms)
    assert [answer.span for answer in answers] == [one.span for one in events]
    assert all(answer.level_dbfs is not None and answer.brightness_hz is not None for answer in answers)
