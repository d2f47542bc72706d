from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotators.general.events import MeasuredEvents, measure_events
from schemas.event import Event, EventClass
from schemas.general import GeneralFacts, HeardEvent
from tests.annotators.general.builders import clip, event, noise, ringing, silence, tone


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
