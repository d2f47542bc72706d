"""Word times of an English transcript by forced alignment with PocketSphinx: `pocketsphinx_alignment`."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from soundseam.annotators.base import Annotator, Clip
from soundseam.annotators.speech.alignment import aligned_facts, in_order, text_to_align
from soundseam.annotators.speech.pocketsphinx import (
    FRAME_MS,
    MARGIN_MS,
    PocketsphinxBackend,
    as_pcm,
    is_filler,
    speaks_english,
)
from soundseam.annotators.speech.spoken_forms import Reading, has_digits, phones_of, spoken_pieces
from soundseam.annotators.speech.transcripts import Excerpt, excerpt, speech_stretches, widen
from soundseam.schemas.speech import SpeechFacts, Word

if TYPE_CHECKING:
    from pocketsphinx import Decoder

_MIN_PART = 2
"""Minimum length of a word inside a compound: un in unmute."""


class PocketsphinxAlignment(PocketsphinxBackend):
    """Word and sentence times of an English transcript; the pronunciation of unknown words follows spelling rules."""

    kind: Literal["pocketsphinx_alignment"] = "pocketsphinx_alignment"

    def load(self) -> Annotator[SpeechFacts]:
        self.check_available()
        from pocketsphinx import Decoder

        return PocketsphinxAligner(Decoder(loglevel="FATAL", lm=None))


class Spoken(NamedTuple):
    """A word of the transcript and its dictionary entries; twenty-five has two."""

    text: str
    entries: tuple[str, ...]


class Fit(NamedTuple):
    """One reading of a text aligned with the audio: first frame and the frame after the last of each entry."""

    score: float
    words: tuple[Spoken, ...]
    frames: list[tuple[int, int]]


class PocketsphinxAligner:
    """The annotator of `PocketsphinxAlignment`."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self._one_at_a_time = threading.Lock()

    def annotate(self, clips: Sequence[Clip]) -> Sequence[SpeechFacts]:
        return [self._align(clip) for clip in clips]

    def _align(self, clip: Clip) -> SpeechFacts:
        text = text_to_align(clip)
        stretches = speech_stretches(clip.segment)
        if text is None or not stretches or not speaks_english(text.transcript.language):
            return SpeechFacts()
        part = excerpt(clip, widen(stretches, MARGIN_MS, clip.segment.span))
        pcm = as_pcm(part.samples).tobytes()
        readings = tuple(Reading) if has_digits(text.transcript.text) else (Reading.NUMBER,)
        spoken = dict.fromkeys(tuple(self._spoken(text.transcript.text, reading)) for reading in readings)
        fits = [fit for words in spoken if words and (fit := self._fit(words, pcm))]
        if not fits:
            return SpeechFacts()
        words = _timed(max(fits, key=lambda fit: fit.score), part)
        return aligned_facts(clip, text, in_order(words, clip.segment))

    def _spoken(self, text: str, reading: Reading) -> list[Spoken]:
        """The words of `text` as dictionary entries; empty if a word has no English letter."""
        words = spoken_words(text, reading)
        entries = [tuple(entry for piece in word.entries for entry in self._entries(piece)) for word in words]
        if not all(entries):
            return []
        return [Spoken(word.text, own) for word, own in zip(words, entries, strict=True)]

    def _entries(self, piece: str) -> tuple[str, ...]:
        """Dictionary entries for a piece of a word: itself, the two words of a compound, or its phones."""
        if self._decoder.lookup_word(piece):
            return (piece,)
        for split in range(len(piece) - _MIN_PART, _MIN_PART - 1, -1):
            if self._decoder.lookup_word(piece[:split]) and self._decoder.lookup_word(piece[split:]):
                return (piece[:split], piece[split:])
        phones = phones_of(piece)
        return (self._spelled(phones),) if phones else ()

    def _spelled(self, phones: Sequence[str]) -> str:
        """The dictionary's entry for `phones`, added if there is none."""
        entry = "~" + "_".join(phones).lower()
        with self._one_at_a_time:
            if not self._decoder.lookup_word(entry):
                self._decoder.add_word(entry, " ".join(phones), update=False)
        return entry

    def _fit(self, words: tuple[Spoken, ...], pcm: bytes) -> Fit | None:
        """The alignment of `words` with the audio; None if they do not fit."""
        entries = [entry for word in words for entry in word.entries]
        with self._one_at_a_time:
            self._decoder.set_align_text(" ".join(entries))
            self._decoder.reinit_feat()
            self._decoder.start_utt()
            self._decoder.process_raw(pcm, full_utt=True)
            self._decoder.end_utt()
            found = self._decoder.hyp()
            if found is None:
                return None
            frames = [
                (item.start_frame, item.end_frame + 1) for item in self._decoder.seg() if not is_filler(item.word)
            ]
        return Fit(found.score, words, frames) if len(frames) == len(entries) else None


def _timed(fit: Fit, part: Excerpt) -> list[Word]:
    words, used = [], 0
    for word in fit.words:
        first, last = fit.frames[used], fit.frames[used + len(word.entries) - 1]
        used += len(word.entries)
        start_ms = part.to_recording_ms(first[0] * FRAME_MS)
        end_ms = part.to_recording_ms(last[1] * FRAME_MS, ends=True)
        words.append(Word(text=word.text, start_ms=start_ms, end_ms=max(start_ms, end_ms), confidence=None))
    return words


def spoken_words(text: str, reading: Reading = Reading.NUMBER) -> list[Spoken]:
    """The words of `text` as written, each with its spoken pieces; a dash between spaces is not a word.

    A word without an English letter or digit has no pieces.
    """
    words = []
    for written in text.split():
        pieces = spoken_pieces(written, reading)
        if pieces or any(character.isalnum() for character in written):
            words.append(Spoken(written, pieces))
    return words
