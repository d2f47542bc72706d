"""An English transcript by PocketSphinx and its bundled model: `pocketsphinx`."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from soundseam.annotators.base import Annotator, Backend, Clip, Samples
from soundseam.annotators.speech.transcripts import (
    Excerpt,
    an_empty_transcript,
    excerpt,
    language_of,
    single_transcript,
    speech_stretches,
    widen,
)
from soundseam.annotators.weights import installed_version
from soundseam.schemas.event import Branch
from soundseam.schemas.speech import SpeechFacts, Transcript, Word

if TYPE_CHECKING:
    from pocketsphinx import Decoder

FRAME_MS = 10
MARGIN_MS = 200
"""Margin on either side of a stretch of speech: detectors put edges where the level rises."""
_FILLER = re.compile(r"[<\[+].*")
_VARIANT = re.compile(r"\(\d+\)$")
SEARCH = {"ds": 2, "maxhmmpf": 3000, "maxwpf": 10}
"""Senones scored every second frame and a narrower search: 1.4 times faster, without more errors on clear prompts."""


class PocketsphinxBackend(Backend[SpeechFacts]):
    """What its recogniser and its aligner have in common: the package and the US-English model in its wheel."""

    branch: ClassVar[Branch] = Branch.SPEECH
    reads_annotations: ClassVar[bool] = True
    requires: ClassVar[tuple[str, ...]] = ("pocketsphinx",)
    remedy: ClassVar[str] = (
        "pip install 'soundseam[speech]' on Python 3.11 or 3.13, which have wheels, or leave this backend out"
    )
    licence: ClassVar[str] = "BSD-2-Clause"

    @property
    def model(self) -> str:
        return "pocketsphinx-en-us"

    @property
    def revision(self) -> str:
        return f"{installed_version('pocketsphinx')}-2"


class Pocketsphinx(PocketsphinxBackend):
    """US-English words with times, by PocketSphinx and the model in its wheel: a substitute for a modern recogniser."""

    kind: Literal["pocketsphinx"] = "pocketsphinx"
    trust_single_system: bool = False
    """If true, its transcripts are usable for training without the agreement of a second system."""

    reads_language: ClassVar[bool] = True

    def load(self) -> Annotator[SpeechFacts]:
        self.check_available()
        from pocketsphinx import Decoder

        return PocketsphinxAnnotator(Decoder(loglevel="FATAL", **SEARCH), self.trust_single_system)


class PocketsphinxAnnotator:
    """The annotator of `Pocketsphinx`."""

    def __init__(self, decoder: Decoder, trust_single_system: bool) -> None:
        self._decoder = decoder
        self._trusted = trust_single_system
        self._one_at_a_time = threading.Lock()

    def annotate(self, clips: Sequence[Clip]) -> Sequence[SpeechFacts]:
        return [SpeechFacts(transcript=self._transcribe(clip)) for clip in clips]

    def _transcribe(self, clip: Clip) -> Transcript:
        stretches = speech_stretches(clip.segment)
        if not speaks_english(language_of(clip)):
            return an_empty_transcript("unsupported_language")
        if not stretches or not as_pcm(clip.samples).any():  # it recognises a word in digital silence
            return an_empty_transcript("no_speech")
        part = excerpt(clip, widen(stretches, MARGIN_MS, clip.segment.span))
        return single_transcript(_transcript(words_of(self._decode(as_pcm(part.samples)), part)), self._trusted)

    def _decode(self, pcm: NDArray[np.int16]) -> list[_Decoded]:
        # Noise removal adapts from one utterance to the next until the front end is rebuilt: without this, words would
        # depend on earlier clips. With the whole utterance in one call, it is normalised by its own mean.
        with self._one_at_a_time:
            self._decoder.reinit_feat()
            self._decoder.start_utt()
            self._decoder.process_raw(pcm.tobytes(), full_utt=True)
            self._decoder.end_utt()
            if self._decoder.hyp() is None:
                return []
            found = self._decoder.seg()
            return [_Decoded(item.word, item.start_frame, item.end_frame + 1, item.prob) for item in found]


class _Decoded(NamedTuple):
    """A dictionary entry as decoded: frames of 10 ms, half-open; the posterior may pass 1 by rounding."""

    entry: str
    start_frame: int
    end_frame: int
    posterior: float


def _transcript(words: tuple[Word, ...]) -> Transcript:
    confidences = [word.confidence for word in words if word.confidence is not None]
    return Transcript(
        text=" ".join(word.text for word in words),
        words=words,
        language="en-US" if words else None,
        confidence=round(sum(confidences) / len(confidences), 3) if confidences else None,
        agreement=None,
        usable_for_training=False,
        flags=(),
    )


def speaks_english(language: str | None) -> bool:
    """Whether the recording's stated language, BCP 47, is English or unknown."""
    return language is None or language.lower().replace("_", "-").split("-")[0] in ("en", "eng", "und")


def words_of(decoded: Iterable[_Decoded], part: Excerpt) -> tuple[Word, ...]:
    """Words in the recording's time: without fillers, and `word(2)` written as word."""
    return tuple(
        Word(
            text=_VARIANT.sub("", item.entry),
            start_ms=(start_ms := part.to_recording_ms(item.start_frame * FRAME_MS)),
            end_ms=max(start_ms, part.to_recording_ms(item.end_frame * FRAME_MS, ends=True)),
            confidence=round(min(1.0, max(0.0, item.posterior)), 3),
        )
        for item in decoded
        if not is_filler(item.entry)
    )


def is_filler(entry: str) -> bool:
    """Whether a dictionary entry is silence or noise, such as <sil>, [NOISE] or ++UM++."""
    return _FILLER.match(entry) is not None


def as_pcm(samples: Samples) -> NDArray[np.int16]:
    """`samples` in [-1, 1] as 16-bit little-endian PCM."""
    return np.round(np.clip(samples, -1.0, 1.0) * 32767).astype("<i2")
