from __future__ import annotations

import numpy as np
import pytest

from soundseam.annotators.base import Clip, Samples
from soundseam.annotators.speech.pitch import load_tracker, num_frames, track_pitch
from soundseam.annotators.speech.voice import measure_voice as measure_with
from soundseam.schemas.event import EventClass
from soundseam.schemas.speech import Voice
from tests.annotators.speech.builders import a_clip, a_sample, a_vowel, noise, silence, syllables
from tests.support.builders import an_event

TRACKER = load_tracker()


def measure_voice(clip: Clip) -> Voice:
    return measure_with(clip, TRACKER)


def joined(*parts: Samples) -> Samples:
    return np.concatenate(parts)


def at_level(samples: Samples, level_dbfs: float) -> Samples:
    return samples * np.float32(10 ** (level_dbfs / 20) / np.sqrt(np.mean(np.square(samples))))


@pytest.mark.parametrize("level_dbfs", [-20, -50])
@pytest.mark.parametrize("pitch_hz", [75, 90, 120, 180, 250, 390])
def test_the_pitch_of_a_steady_vowel_is_told_within_two_percent(pitch_hz: int, level_dbfs: float) -> None:
    voice = measure_voice(a_clip(a_vowel(2_000, pitch_hz, level_dbfs), (0, 2_000)))
    assert voice.pitch_median_hz == pytest.approx(pitch_hz, rel=0.02)
    assert voice.voiced_share > 0.9


def test_the_range_of_a_voice_spans_its_low_and_high_passages() -> None:
    samples = joined(a_vowel(1_000, 140), a_vowel(1_000, 200))
    voice = measure_voice(a_clip(samples, (0, 2_000)))
    assert voice.pitch_low_hz == pytest.approx(140, rel=0.03)
    assert voice.pitch_high_hz == pytest.approx(200, rel=0.03)


@pytest.mark.parametrize("hz", [50, 60, 1_000])
def test_hum_and_whistles_have_no_voice_pitch(hz: int) -> None:
    tone = 0.3 * np.sin(2 * np.pi * hz * np.arange(32_000) / 16_000)
    track = track_pitch(tone.astype(np.float32), TRACKER)
    pitches = track.f0_hz[track.voiced]
    assert not np.any(np.abs(pitches / hz - 1) < 0.1)


def test_pitch_is_the_same_if_only_some_frames_are_wanted() -> None:
    samples = np.concatenate([joined(a_vowel(900, 120), a_vowel(1_100, 180)), noise(500, -40), a_vowel(1_000, 150)])
    wanted = np.zeros(num_frames(samples), dtype=np.bool_)
    wanted[[*range(20, 95), *range(100, 130), *range(290, 330)]] = True
    everywhere, somewhere = track_pitch(samples, TRACKER), track_pitch(samples, TRACKER, wanted)
    assert somewhere.voiced[wanted].sum() > 100
    both = everywhere.voiced & somewhere.voiced
    assert both[wanted].mean() > 0.9
    np.testing.assert_allclose(somewhere.f0_hz[both], everywhere.f0_hz[both], rtol=1e-6)
    assert not somewhere.voiced[~wanted].any()


def test_noise_called_speech_has_no_pitch() -> None:
    voice = measure_voice(a_clip(noise(2_000, -20), (0, 2_000)))
    assert voice.pitch_median_hz is None
    assert voice.voiced_share < 0.05


def test_only_what_is_called_speech_is_measured() -> None:
    alone = measure_voice(a_clip(joined(a_vowel(1_500, 120), silence(1_500)), (0, 1_500)))
    beside_another = measure_voice(a_clip(joined(a_vowel(1_500, 120), a_vowel(1_500, 300, -10)), (0, 1_500)))
    assert beside_another.pitch_median_hz == pytest.approx(alone.pitch_median_hz, rel=0.02)
    assert beside_another.level_dbfs == alone.level_dbfs


def test_the_level_is_that_of_the_speech() -> None:
    voice = measure_voice(a_clip(joined(silence(1_000), a_vowel(2_000, level_dbfs=-26)), (1_000, 3_000)))
    assert voice.level_dbfs == pytest.approx(-26, abs=0.5)


@pytest.mark.parametrize("snr_db", [0, 10, 20, 40])
def test_the_signal_to_noise_ratio_is_that_of_the_mixture(snr_db: int) -> None:
    words = at_level(syllables(5), -20)
    mixture = joined(silence(1_000), words, silence(500), words, silence(1_000)) + noise(4_500, -20 - snr_db)
    voice = measure_voice(a_clip(mixture, (1_000, 2_000), (2_500, 3_500)))
    assert voice.snr_db == pytest.approx(snr_db, abs=1.0)


def test_what_sounds_under_the_speech_alone_is_not_told_from_the_quiet_around_it() -> None:
    babble = sum(np.roll(at_level(syllables(12, 170, pitch), -36), shift) for pitch, shift in ((150, 0), (210, 1_400)))
    speech = at_level(syllables(10, 204), -20) + babble
    mixture = joined(silence(1_000), speech, silence(1_000))
    noisy = mixture + noise(round(len(mixture) / 16), -70)
    assert measure_voice(a_clip(noisy, (1_000, 3_040))).snr_db is None


@pytest.mark.parametrize("snr_db", [8, 15, 20])
def test_voices_that_fill_the_pauses_are_not_told_from_the_quiet_around_them(snr_db: int) -> None:
    words = at_level(syllables(5), -20)
    babble = sum(
        np.roll(at_level(syllables(11, each_ms, pitch), -20 - snr_db)[: 16 * 2_500], 16 * shift)
        for each_ms, pitch, shift in ((240, 150, 0), (230, 210, 60), (250, 95, 120))
    )
    speech = joined(words, silence(500), words) + babble
    noisy = joined(silence(1_000), speech, silence(1_000)) + noise(4_500, -65)
    assert measure_voice(a_clip(noisy, (1_000, 3_500))).snr_db is None
    alone = joined(silence(1_000), words, silence(500), words, silence(1_000)) + noise(4_500, -65)
    assert measure_voice(a_clip(alone, (1_000, 3_500))).snr_db is not None


def test_without_background_there_is_no_signal_to_noise_ratio() -> None:
    samples = joined(syllables(5), silence(500), syllables(5), silence(500)) + noise(3_000, -30)
    clip = a_clip(samples, (0, 1_000), (1_500, 2_500))
    assert measure_voice(clip).snr_db is not None
    dog = an_event(EventClass.ANIMAL, 0, 3_000)
    covered = a_clip(samples, events=(*clip.segment.events, dog))
    assert measure_voice(covered).snr_db is None
    assert measure_voice(a_clip(a_vowel(2_000), (0, 2_000))).snr_db is None


@pytest.mark.parametrize(("count", "each_ms"), [(10, 200), (8, 250), (20, 150)])
def test_syllables_are_counted_over_the_time_of_speech(count: int, each_ms: int) -> None:
    spoken_ms = count * each_ms
    samples = joined(silence(1_000), syllables(count, each_ms), silence(2_000))
    voice = measure_voice(a_clip(samples, (1_000, 1_000 + spoken_ms)))
    assert voice.syllable_rate_hz == pytest.approx(1_000 / each_ms, rel=0.06)


def test_noise_bursts_are_no_syllables() -> None:
    burst = noise(200, -20) * np.hanning(3_200).astype(np.float32)
    assert measure_voice(a_clip(joined(*[burst] * 10), (0, 2_000))).syllable_rate_hz == 0


def test_too_little_speech_has_no_rate() -> None:
    assert measure_voice(a_clip(syllables(4), (0, 800))).syllable_rate_hz is None


def test_a_recorded_announcement_has_the_rate_of_its_text() -> None:
    """Thank you for calling Super Awesome Company, Waldo's premier provider of perfect products: 24 syllables."""
    voice = measure_voice(a_sample("speech-phone-menu.flac", last_ms=6_400))
    assert voice.syllable_rate_hz is not None
    assert voice.syllable_rate_hz * voice.speech_ms / 1000 == pytest.approx(24, abs=4)
    assert 150 < (voice.pitch_median_hz or 0) < 260


def test_pauses_are_the_gaps_of_250_ms_or_more() -> None:
    clip = a_clip(a_vowel(5_000), (0, 1_000), (1_150, 2_000), (2_250, 3_000), (4_000, 5_000))
    voice = measure_voice(clip)
    assert (voice.pause_count, voice.pause_ms, voice.longest_pause_ms) == (2, 1_250, 1_000)


def test_a_silence_that_the_detector_bridged_is_a_pause() -> None:
    samples = joined(a_vowel(1_000), silence(400), a_vowel(1_000), silence(150), a_vowel(1_000))
    voice = measure_voice(a_clip(samples, (0, 3_550)))
    assert voice.pause_count == 1
    assert voice.longest_pause_ms == pytest.approx(400, abs=20)


@pytest.mark.parametrize("snr_db", [20, 30, 40, 60])
def test_a_pause_shows_over_steady_noise(snr_db: int) -> None:
    samples = joined(a_vowel(1_000, level_dbfs=-20), silence(400), a_vowel(1_000, level_dbfs=-20))
    voice = measure_voice(a_clip(samples + noise(2_400, -20 - snr_db), (0, 2_400)))
    assert voice.pause_count == 1
    assert voice.longest_pause_ms == pytest.approx(400, abs=50)


@pytest.mark.parametrize("quieter_db", [15, 25, 35])
def test_a_quieter_second_talker_is_no_pause(quieter_db: int) -> None:
    first, second = a_vowel(1_000, 120, -20), a_vowel(2_000, 210, -20 - quieter_db)
    samples = joined(silence(300), first, second, first, silence(300)) + noise(4_600, -70)
    assert measure_voice(a_clip(samples, (300, 4_300))).pause_count == 0


def test_a_segment_without_speech_has_no_voice_to_speak_of() -> None:
    voice = measure_voice(a_clip(a_vowel(2_000)))
    assert voice.speech_ms == voice.pause_count == voice.voiced_share == 0
    assert voice.pitch_median_hz is voice.level_dbfs is voice.snr_db is voice.syllable_rate_hz is None


def test_digital_silence_called_speech_has_no_level() -> None:
    voice = measure_voice(a_clip(silence(2_000), (0, 2_000)))
    assert voice.level_dbfs is voice.pitch_median_hz is voice.snr_db is None
    assert voice.syllable_rate_hz == 0


def test_a_constant_offset_changes_nothing() -> None:
    samples = joined(a_vowel(500), noise(500, -50), a_vowel(500), noise(500, -50))
    plain, lifted = (measure_voice(a_clip(samples + offset, (0, 500), (1_000, 1_500))) for offset in (0.0, 0.2))
    assert lifted.level_dbfs == pytest.approx(plain.level_dbfs, abs=0.05)
    assert lifted.snr_db == pytest.approx(plain.snr_db, abs=0.05)
    assert lifted.pitch_median_hz == pytest.approx(plain.pitch_median_hz, abs=0.2)
