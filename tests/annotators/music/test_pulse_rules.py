"""The pulse from onsets that are set by hand: what repeats, which tempi it allows, and beats through it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundseam.annotators.music.pulse import (
    EVIDENCE,
    FASTEST_BPM,
    SLOWEST_BPM,
    Hypothesis,
    autocorrelation,
    beat_hypotheses,
    beat_tempo,
    candidate_tempi,
    find_pulse,
    gaussian,
    harmonic_change,
    lags_of,
    off_beats,
    pulse_strength,
    track_beats,
)
from soundseam.annotators.music.spectra import FRAME_MS, HOP, SLOW_HOP, Array, Onsets

FRAMES = 1_200
"""14 s."""


def strokes(period: float, count: int = FRAMES, first: float = 20.0, strength: float = 1.0) -> Array:
    """Onsets every `period` frames, each a narrow bell."""
    frames = np.arange(count)
    centres = np.arange(first, count - 5, period)
    bells: Array = strength * np.exp(-0.5 * ((frames[:, None] - centres) / 1.2) ** 2).sum(axis=1)
    return bells


def onsets_of(full: Array, bass: Array | None = None) -> Onsets:
    return Onsets(full=full, bass=np.zeros_like(full) if bass is None else bass)


def harmony_of(*degrees: int, each: int) -> Array:
    """(len(degrees) * each, 12): one pitch class after the other."""
    return np.repeat(np.eye(12)[list(degrees)], each, axis=0)


NO_CHANGE = harmony_of(0, each=FRAMES // 4 + 1)


def test_a_beat_of_60_a_minute_lasts_a_second() -> None:
    assert lags_of(np.array([60.0, 120.0])).tolist() == pytest.approx([1_000 / FRAME_MS, 500 / FRAME_MS])


@pytest.mark.parametrize(("sigma", "reach"), [(0.0, 1), (0.2, 1), (1.0, 4), (2.6, 10)])
def test_a_bell_sums_to_1_and_falls_off_as_one(sigma: float, reach: int) -> None:
    bell = gaussian(sigma)
    assert len(bell) == 2 * reach + 1
    assert bell.sum() == pytest.approx(1.0)
    assert np.allclose(bell, bell[::-1])
    assert bell.argmax() == reach
    if sigma >= 1:
        assert bell[reach + 1] / bell[reach] == pytest.approx(np.exp(-0.5 / sigma**2))
        assert bell[reach + 2] / bell[reach] == pytest.approx(np.exp(-2 / sigma**2))


def test_what_repeats_is_like_itself_at_its_period_and_at_all_multiples_and_not_between() -> None:
    correlation = autocorrelation(strokes(50))
    assert len(correlation) == FRAMES
    assert correlation[0] == pytest.approx(1.0)
    assert all(correlation[50 * n] == pytest.approx(1.0, abs=0.1) for n in range(1, 12))
    assert all(correlation[50 * n + 25] < 0 for n in range(12))


def test_without_onsets_nothing_repeats() -> None:
    assert autocorrelation(np.zeros(400)).tolist() == [0.0] * 400


def test_neither_loudness_nor_a_floor_changes_what_repeats() -> None:
    plain = autocorrelation(strokes(50))
    assert np.allclose(autocorrelation(7 * strokes(50)), plain)
    assert np.allclose(autocorrelation(strokes(50) + 0.5), plain, atol=1e-6)


@pytest.mark.parametrize("tempo", [60.0, 75.0, 96.0, 110.0, 130.0, 155.0, 180.0])
def test_the_tempo_of_strokes_is_among_the_candidates_with_its_half_or_double(tempo: float) -> None:
    found = candidate_tempi(autocorrelation(strokes(float(lags_of(np.array([tempo]))[0]))))
    assert any(one == pytest.approx(tempo, rel=0.005) for one in found)
    assert all(SLOWEST_BPM <= one <= FASTEST_BPM for one in found)
    for other in (tempo / 2, 2 * tempo):
        if SLOWEST_BPM * 1.02 < other < FASTEST_BPM * 0.98:
            assert any(one == pytest.approx(other, rel=0.06) for one in found)
    assert len(found) <= 9


@given(st.integers(0, 10**6), st.integers(1, 900))
def test_candidates_of_any_onsets_are_in_bounds_and_no_two_are_one(seed: int, count: int) -> None:
    found = candidate_tempi(autocorrelation(np.random.default_rng(seed).uniform(0, 1, count) ** 8))
    assert all(SLOWEST_BPM <= one <= FASTEST_BPM for one in found)
    assert all(abs(one / other - 1) > 0.056 for i, one in enumerate(found) for other in found[:i])


def test_a_tempo_needs_four_of_its_beats_of_time() -> None:
    lag = float(lags_of(np.array([120.0]))[0])
    correlation = np.cos(2 * np.pi * np.arange(FRAMES) / lag)
    assert any(one == pytest.approx(120, rel=0.02) for one in candidate_tempi(correlation[: round(4.5 * lag)]))
    assert not any(one == pytest.approx(120, rel=0.02) for one in candidate_tempi(correlation[: round(3.9 * lag)]))
    assert candidate_tempi(correlation[: round(4 * float(lags_of(np.array([FASTEST_BPM]))[0]))]) == ()


def test_the_strength_of_a_pulse_is_the_weighted_mean_over_four_beats() -> None:
    tempi = np.array([60_000 / FRAME_MS / 50])
    assert pulse_strength(np.ones(FRAMES), tempi).tolist() == pytest.approx([1.0])
    for multiple, weight in ((1, 1.0), (2, 0.7), (3, 0.5), (4, 0.5)):
        only = np.zeros(FRAMES)
        only[50 * multiple] = 1.0
        assert pulse_strength(only, tempi).tolist() == pytest.approx([weight / 2.7])
        # The first half alone is looked at, of which the end counts no more.
        short = only[: 2 * 102]
        expected = weight / 1.7 if multiple <= 2 else 0.0
        assert pulse_strength(short, tempi).tolist() == pytest.approx([expected])
    assert pulse_strength(np.ones(3), tempi).tolist() == [0.0]


def test_beats_are_the_strokes_of_the_tempo_that_is_asked_for() -> None:
    strength = strokes(50)
    (beats,) = track_beats([strength], [60_000 / FRAME_MS / 50])
    assert beats.tolist() == list(range(20, FRAMES - 5, 50))
    (double,) = track_beats([strength], [60_000 / FRAME_MS / 25])
    assert set(beats) <= set(double.tolist())
    assert np.all(np.diff(double) <= 34)
    (half,) = track_beats([strength], [60_000 / FRAME_MS / 100])
    assert np.abs(np.diff(half) - 100).max() <= 1


def test_several_tempi_at_once_give_the_beats_that_each_gives_alone() -> None:
    random = np.random.default_rng(5)
    strengths = [strokes(43) + random.uniform(0, 0.3, FRAMES), strokes(61), np.zeros(FRAMES)]
    tempi = [120.0, 85.0, 100.0]
    together = track_beats(strengths, tempi)
    for strength, tempo, beats in zip(strengths, tempi, together, strict=True):
        (alone,) = track_beats([strength], [tempo])
        assert beats.tolist() == alone.tolist()
    assert together[2].size == 0


def test_beats_follow_strokes_that_get_faster_and_pass_over_one_that_is_missing() -> None:
    times = 20 + np.concatenate([[0], np.cumsum(np.linspace(56, 44, 22))])
    strength = np.exp(-0.5 * ((np.arange(FRAMES)[:, None] - times) / 1.2) ** 2).sum(axis=1)
    (beats,) = track_beats([strength], [60_000 / FRAME_MS / 50])
    assert np.abs(beats[:, None] - times).min(axis=0).max() <= 2
    holes = strokes(50)
    holes[500:540] = 0
    (beats,) = track_beats([holes], [60_000 / FRAME_MS / 50])
    assert np.abs(np.diff(beats) - 50).max() <= 1


def test_no_beat_is_put_before_the_first_stroke_or_after_the_last() -> None:
    strength = np.zeros(FRAMES)
    strength[400:800] = strokes(50, 400)
    (beats,) = track_beats([strength], [60_000 / FRAME_MS / 50])
    assert beats.tolist() == list(range(420, 795, 50))


@pytest.mark.parametrize(("strength", "is_beat"), [(0.05, False), (0.6, True)])
def test_a_beat_at_either_end_is_one_if_it_is_not_far_softer_than_the_others(strength: float, is_beat: bool) -> None:
    onsets = strokes(50)
    onsets[:110] *= strength
    onsets[-110:] *= strength
    (beats,) = track_beats([onsets], [60_000 / FRAME_MS / 50])
    inner = [beat for beat in range(20, FRAMES - 5, 50) if is_beat or 110 <= beat < FRAMES - 110]
    assert beats.tolist() == inner


def test_of_equal_pulses_the_one_nearest_to_110_a_minute_comes_first() -> None:
    lags = lags_of(np.array([60.0, 110.0, 190.0]))
    correlation = np.zeros(FRAMES)
    for multiple in range(1, 5):
        for lag in lags:
            correlation[round(multiple * float(lag))] = 1.0
    found = candidate_tempi(correlation)
    assert found[0] == pytest.approx(110, rel=0.02)
    assert found[1:3] == pytest.approx([60, 190], rel=0.02) or found[1:3] == pytest.approx([190, 60], rel=0.02)


def test_off_beats_are_what_lies_between_the_beats_and_nothing_outside_them() -> None:
    beats = np.array([100, 140, 180])
    masked = off_beats(np.full(300, 2.0), beats)
    assert masked[[100, 140, 180]].tolist() == pytest.approx([0, 0, 0], abs=1e-9)
    assert masked[[120, 160]].tolist() == pytest.approx([2, 2])
    assert masked[[110, 130, 150, 170]].tolist() == pytest.approx([0.5] * 4)
    assert not masked[:100].any()
    assert not masked[180:].any()
    assert not off_beats(np.ones(300), beats[:1]).any()
    assert off_beats(np.ones(300), beats[:2])[120] == pytest.approx(1.0)


def test_harmony_changes_by_0_where_it_stays_and_by_1_where_it_is_another() -> None:
    harmony = harmony_of(0, 0, 4, 4, each=20)
    sums = np.concatenate([np.zeros((1, 12)), np.cumsum(harmony, axis=0)])
    beats = np.arange(5) * 20 * SLOW_HOP / HOP
    assert harmonic_change(beats, sums).tolist() == pytest.approx([0, 1, 0])
    half = beats + 10 * SLOW_HOP / HOP
    assert harmonic_change(half[:4], sums).tolist() == pytest.approx([1 - np.sqrt(0.5), 1 - np.sqrt(0.5)])
    assert harmonic_change(beats * 10, sums).shape == (3,)


def test_the_tempo_of_beats_does_not_show_their_frames() -> None:
    period = 60 * 22_050 / HOP / 133
    exact = np.arange(20) * period
    assert beat_tempo(exact) == pytest.approx(133)
    assert beat_tempo(np.round(exact)) == pytest.approx(133, rel=0.005)
    assert beat_tempo(exact[:2]) == pytest.approx(133)
    assert beat_tempo(np.concatenate([exact[:10], exact[10:] + period])) == pytest.approx(133)


def evidence_of(onsets: Onsets, period: float, first: int, harmony: Array = NO_CHANGE) -> dict[str, float]:
    """Of the hypothesis with beats `period` frames apart of which one lies at `first`."""

    def fits(one: Hypothesis) -> bool:
        apart = float(np.median(np.diff(one.beats)))
        off = np.abs((one.beats - first + period / 2) % period - period / 2)
        return abs(apart / period - 1) < 0.03 and float(np.median(off)) < 3

    found = next(one for one in beat_hypotheses(onsets, harmony) if fits(one))
    return dict(zip(EVIDENCE, found.evidence.tolist(), strict=True))


PERIOD, FIRST = 48, 20


def test_evidence_says_what_sounds_on_beats_and_between_them() -> None:
    full = strokes(PERIOD) + strokes(PERIOD, first=FIRST + PERIOD / 2, strength=0.3)
    bass = strokes(2 * PERIOD)
    evidence = evidence_of(onsets_of(full, bass), PERIOD, FIRST)
    tempo = 60_000 / FRAME_MS / PERIOD
    assert evidence["octaves_over_105"] == pytest.approx(np.log2(tempo / 105), abs=0.02)
    assert evidence["octaves_over_105_squared"] == pytest.approx(evidence["octaves_over_105"] ** 2)
    assert evidence["onsets_between"] == pytest.approx(0.3 * evidence["onsets_on_beats"], rel=0.05)
    assert evidence["onsets_at_quarters"] == pytest.approx(0, abs=0.02)
    assert evidence["bass_between"] == pytest.approx(0, abs=0.02)
    assert evidence["bass_at_thirds"] == pytest.approx(0, abs=0.02)
    assert evidence["bass_alternation"] == pytest.approx(1 / bass.mean(), rel=0.1)
    assert evidence["onsets_on_beats"] == pytest.approx(1 / full.mean(), rel=0.05)
    assert 0.3 < evidence["strength"] <= 1.05
    assert evidence["correlation"] == pytest.approx(1.0, abs=0.15)


def test_evidence_says_what_the_bass_does_on_halves_thirds_and_quarters() -> None:
    full = strokes(PERIOD)
    for place, name in ((1 / 2, "bass_between"), (1 / 3, "bass_at_thirds"), (2 / 3, "bass_at_thirds")):
        bass = strokes(PERIOD, first=FIRST + place * PERIOD, strength=2.0)
        evidence = evidence_of(onsets_of(full, bass), PERIOD, FIRST)
        share = 1.0 if place == 1 / 2 else 0.5
        assert evidence[name] == pytest.approx(share * 2 / bass.mean(), rel=0.1)
    for place in (1 / 4, 3 / 4):
        both = full + strokes(PERIOD, first=FIRST + place * PERIOD, strength=0.4)
        evidence = evidence_of(onsets_of(both, full), PERIOD, FIRST)
        assert evidence["onsets_at_quarters"] == pytest.approx(0.5 * 0.4 / both.mean(), rel=0.1)


def test_evidence_says_whether_the_harmony_changes_on_beats_or_between() -> None:
    each = PERIOD * HOP // SLOW_HOP
    degrees = [0, 4, 7, 2] * (FRAMES * HOP // SLOW_HOP // each // 4 + 1)
    lead = harmony_of(0, each=FIRST * HOP // SLOW_HOP)
    on_beats = np.concatenate([lead, harmony_of(*degrees, each=each)])
    off = np.concatenate([lead, harmony_of(0, each=each // 2), harmony_of(*degrees, each=each)])
    onsets = onsets_of(strokes(PERIOD))
    evidence = evidence_of(onsets, PERIOD, FIRST, on_beats)
    assert evidence["change_on_beats"] == pytest.approx(10, abs=1)
    assert evidence["change_between"] == pytest.approx(10 * (1 - 0.5) ** 2, abs=1)
    between = evidence_of(onsets, PERIOD, FIRST, off)
    assert between["change_between"] == pytest.approx(10, abs=1)
    assert between["change_on_beats"] == pytest.approx(10 * (1 - 0.5) ** 2, abs=1)


@pytest.mark.parametrize("shift", [0.0, 0.3, 0.5, 0.75])
def test_beats_lie_on_the_strokes_to_a_tenth_of_a_frame(shift: float) -> None:
    pulse = find_pulse(onsets_of(strokes(PERIOD, first=FIRST + shift)), NO_CHANGE)
    assert pulse is not None
    off = (pulse.beats - FIRST - shift + PERIOD / 2) % PERIOD - PERIOD / 2
    on_strokes = np.abs(off) < 5
    assert on_strokes.sum() >= 20
    assert np.abs(off[on_strokes]).max() <= 0.1


def test_a_beat_without_an_onset_stays_where_the_tempo_puts_it() -> None:
    holes = strokes(PERIOD)
    missing = FIRST + 10 * PERIOD
    holes[missing - 20 : missing + 20] = 0
    pulse = find_pulse(onsets_of(holes), NO_CHANGE)
    assert pulse is not None
    assert np.abs(pulse.beats - missing).min() <= 1


def test_the_bass_alternates_by_as_much_as_odd_and_even_beats_differ() -> None:
    bass = strokes(PERIOD) * np.random.default_rng(2).uniform(0, 1, FRAMES)
    onsets = onsets_of(strokes(PERIOD), bass)
    for one in beat_hypotheses(onsets, NO_CHANGE):
        begun = bass[one.beats[:-1]] / bass.mean()
        difference = abs(float(begun[::2].mean() - begun[1::2].mean()))
        assert one.evidence[EVIDENCE.index("bass_alternation")] == pytest.approx(difference)


def test_alternatives_are_two_at_most_and_none_of_them_nearly_the_tempo_or_the_other() -> None:
    for period in (30.0, 40.0, 48.0, 60.0, 75.0):
        pulse = find_pulse(onsets_of(strokes(period)), NO_CHANGE)
        assert pulse is not None
        known = (pulse.tempo_bpm, *pulse.alternatives_bpm)
        assert len(known) <= 3
        assert all(abs(one / other - 1) > 0.07 for i, one in enumerate(known) for other in known[:i])
        own = 60_000 / FRAME_MS / period
        assert any(abs(one / own - 1) < 0.02 for one in known)
        assert 0.8 < pulse.strength <= 1.0


def test_eight_beats_make_a_pulse_and_seven_do_not() -> None:
    for count in (8, 7):
        full = strokes(60, 16 + 60 * count, first=20)
        beats = [one.beats for one in beat_hypotheses(onsets_of(full), NO_CHANGE)]
        assert all(len(one) >= 8 for one in beats)
        assert any(abs(float(np.median(np.diff(one))) - 60) < 2 for one in beats) == (count == 8)


def test_onsets_without_a_pulse_have_none() -> None:
    assert find_pulse(onsets_of(np.zeros(FRAMES)), NO_CHANGE) is None
    single = np.zeros(FRAMES)
    single[600] = 1.0
    assert find_pulse(onsets_of(single), NO_CHANGE) is None
    assert find_pulse(onsets_of(np.random.default_rng(3).uniform(0, 1, FRAMES)), NO_CHANGE) is None
