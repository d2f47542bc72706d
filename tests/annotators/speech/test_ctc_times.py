"""Word times by a CTC model that hears letters as tones: where each tone sounds is known to the millisecond."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from soundseam.annotators.base import Clip, Samples
from soundseam.annotators.speech.ctc_alignment import MARGIN_MS, CtcAligner, Letters
from soundseam.schemas.speech import SpeechFacts, Word
from tests.annotators.speech.builders import RATE_HZ, a_clip
from tests.annotators.speech.test_agreement import heard

torch = pytest.importorskip("torch")
pytest.importorskip("torchaudio")

FRAME = 320
"""20 ms."""
VOCABULARY = {"<pad>": 0, "|": 1, "a": 2, "b": 3, "c": 4, "<unk>": 5}
FIRST_HZ, STEP_HZ = 400, 200
START_MS = 10_000
WITHOUT_DELIMITER = Letters({text: index for text, index in VOCABULARY.items() if text != "|"}, 0, "|")


class ToneModel(torch.nn.Module):
    """Hears the letter of number n as a tone of 400 + 200 n Hz, and the blank in what is far softer than the rest."""

    def __init__(self) -> None:
        super().__init__()
        self.device = torch.device("cpu")

    def forward(self, waves: object) -> SimpleNamespace:
        frames = waves[0, : len(waves[0]) // FRAME * FRAME].reshape(-1, FRAME)
        power = torch.fft.rfft(frames).abs().square()
        bins = [round((FIRST_HZ + STEP_HZ * number) * FRAME / RATE_HZ) for number in range(1, len(VOCABULARY))]
        tones = power[:, bins]
        silent = (tones.sum(dim=1, keepdim=True) < 1_000).float()
        share = tones / tones.sum(dim=1, keepdim=True).clamp(min=1e-9)
        tones = torch.cat([silent, share * (1 - silent)], dim=1)
        tones[:, VOCABULARY["|"]] += silent[:, 0] / 2  # a word ends in silence rather than in a letter
        return SimpleNamespace(logits=20 * tones[None])


def tone(letters: str, duration_ms: int) -> Samples:
    """The tones of one or more letters at once."""
    times = np.arange(duration_ms * RATE_HZ // 1000) / RATE_HZ
    waves = [np.sin(2 * np.pi * (FIRST_HZ + STEP_HZ * VOCABULARY[letter]) * times) for letter in letters]
    return np.sum(waves, axis=0).astype(np.float32)


def clip_of(tones: Mapping[tuple[int, int], str], *spoken: tuple[int, int], duration_ms: int = 4_000) -> Clip:
    samples = np.zeros(duration_ms * RATE_HZ // 1000, np.float32)
    for (start_ms, end_ms), letters in tones.items():
        samples[start_ms * 16 : end_ms * 16] = tone(letters, end_ms - start_ms)
    return a_clip(0.5 * samples, *spoken, start_ms=START_MS)


def align(clip: Clip, text: str, letters: Letters | None = None) -> SpeechFacts:
    aligner = CtcAligner(ToneModel(), letters or Letters(VOCABULARY, 0, "|"))
    (facts,) = aligner.annotate([replace(clip, annotations=(heard("a", text),))])
    return facts


def words_of(clip: Clip, text: str, letters: Letters | None = None) -> list[Word]:
    found = align(clip, text, letters).alignment
    assert found is not None
    return list(found.words)


def times_of(clip: Clip, text: str, letters: Letters | None = None) -> dict[str, tuple[int, int]]:
    """Text → from and to, counted from the clip's start."""
    return {word.text: (word.start_ms - START_MS, word.end_ms - START_MS) for word in words_of(clip, text, letters)}


SPOKEN = ((500, 1_500), (2_500, 3_500))
TWO_WORDS = {(600, 700): "a", (800, 900): "b", (2_600, 2_700): "c", (2_800, 2_900): "a"}


def test_a_word_lasts_from_its_first_letter_to_its_last_also_after_a_pause() -> None:
    assert times_of(clip_of(TWO_WORDS, *SPOKEN), "ab ca") == {"ab": (600, 900), "ca": (2_600, 2_900)}


def test_a_word_that_ends_where_listening_does_ends_before_the_pause() -> None:
    tones = {(1_500, 1_600): "a", (1_620, 1_700): "b", (2_600, 2_700): "c"}
    assert times_of(clip_of(tones, *SPOKEN), "ab c", WITHOUT_DELIMITER) == {"ab": (1_500, 1_700), "c": (2_600, 2_700)}


def test_a_text_of_digital_silence_has_times_all_the_same() -> None:
    words = words_of(clip_of({}, *SPOKEN), "ab ca")
    assert [word.text for word in words] == ["ab", "ca"]
    assert all(0 <= (word.confidence or 0.0) <= 0.001 for word in words)


def test_neither_loudness_nor_an_offset_moves_a_word() -> None:
    clip = clip_of(TWO_WORDS, *SPOKEN)
    expected = words_of(clip, "ab ca")
    for factor, offset in ((0.01, 0.0), (1.5, 0.0), (0.5, 0.4)):
        assert words_of(replace(clip, samples=(factor * clip.samples + offset).astype(np.float32)), "ab ca") == expected


def test_a_words_confidence_is_the_mean_of_its_letters() -> None:
    clear, doubtful = ({(600, 700): "a", (800, 900): second} for second in ("b", "bc"))
    (sure,) = words_of(clip_of(clear, (500, 1_500)), "ab")
    (unsure,) = words_of(clip_of(doubtful, (500, 1_500)), "ab")
    (mixed,) = words_of(clip_of({**doubtful, (1_000, 1_100): "c"}, (500, 1_500)), "abc")
    assert mixed.confidence == 0.833
    assert sure.confidence == pytest.approx(1.0, abs=0.002)
    assert unsure.confidence == pytest.approx(0.75, abs=0.002)


def test_a_letter_said_twice_is_timed_twice() -> None:
    assert times_of(clip_of({(600, 700): "a", (1_000, 1_100): "a"}, (500, 1_500)), "aa") == {"aa": (600, 1_100)}


LETTER_EVERY_MS = 100


def letters_in_a_row(text: str) -> dict[tuple[int, int], str]:
    """Each letter for 60 ms, 100 ms after the one before, from 600 ms on."""
    spoken = [letter for letter in text if letter in VOCABULARY]
    starts = range(600, 600 + LETTER_EVERY_MS * len(spoken), LETTER_EVERY_MS)
    return {(start, start + 60): letter for start, letter in zip(starts, spoken, strict=True)}


@pytest.mark.parametrize(
    ("text", "silent"),
    [
        ("a b c a 1 b c a b c", {4: (960, 1_000)}),
        ("1 a b c a b c a b c", {0: (600, 600)}),
        ("a b c a b c a b c 1", {9: (1_460, 1_460)}),
        ("a 1 b c a b c a b c", {1: (660, 700)}),
        ("a b 1 2 c a b c a b", {2: (760, 800), 3: (800, 800)}),
    ],
)
def test_a_word_without_letters_lies_between_its_neighbours_or_at_the_end(
    text: str, silent: dict[int, tuple[int, int]]
) -> None:
    words = words_of(clip_of(letters_in_a_row(text), (500, 3_500)), text, WITHOUT_DELIMITER)
    assert [word.text for word in words] == text.split()
    for index, word in enumerate(words):
        place = (word.start_ms - START_MS, word.end_ms - START_MS)
        assert place == silent.get(index, place)
        assert (word.confidence is None) == (index in silent)


def test_one_word_in_five_may_be_without_letters_and_no_more() -> None:
    for text, aligned in (("a b c a 1", True), ("a b c 1", False), ("a b c a b c a b 1 2", True)):
        assert (align(clip_of(letters_in_a_row(text), (500, 3_500)), text) != SpeechFacts()) == aligned


def test_a_text_fits_if_there_is_a_frame_for_each_letter_and_between_two_that_are_alike() -> None:
    for text, frames in (("abcabc", 6), ("abccba", 7), ("aabbcc", 9)):
        for count, fits in ((frames, True), (frames - 1, False)):
            clip = clip_of({(0, 20 * count): "a"}, (0, 20 * count), duration_ms=20 * count)
            assert (align(clip, text, WITHOUT_DELIMITER) != SpeechFacts()) == fits


def test_what_sounds_farther_from_speech_than_the_margin_is_not_listened_to() -> None:
    clip = clip_of({(600, 700): "a", (900, 1_000): "b"}, (400, 720))
    (word,) = words_of(clip, "ab")
    assert word.end_ms - START_MS <= 720 + MARGIN_MS
    (near,) = words_of(clip_of({(600, 700): "a", (800, 900): "b"}, (400, 720)), "ab")
    assert near.end_ms - START_MS == 900


def test_letters_are_spelt_in_the_case_that_the_model_knows() -> None:
    upper, both = {"A": 2, "B": 3}, {"A": 2, "a": 3, "B": 4, "b": 5}
    assert Letters(upper, 0, "|").ids_of("aB") == (2, 3)
    assert Letters({"a": 2, "b": 3}, 0, "|").ids_of("aB") == (2, 3)
    assert Letters(both, 0, "|").ids_of("aB") == (3, 5)


def test_a_delimiter_is_no_letter_and_neither_is_a_token_of_several() -> None:
    letters = Letters({"a": 1, "|": 2, "ab": 3, "": 4}, 0, "|")
    assert letters.delimiter == 2
    assert letters.ids_of("ab|") == (1,)
    assert Letters({"a": 1}, 0, "|").delimiter is None
