"""Transcripts by any CTC or sequence-to-sequence model of transformers: `transformers_asr`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from annotators.base import Annotator, Backend, Clip, Samples
from annotators.speech.alignment import in_order
from annotators.speech.batches import in_halves
from annotators.speech.faster_whisper import folder_key
from annotators.speech.packages import installed_version
from annotators.speech.weights import cannot_open, licence_of, refuse_non_commercial
from schemas.event import Branch
from schemas.speech import SpeechFacts, Transcript, Word

Recogniser = Callable[[Sequence[Samples]], Sequence[Mapping[str, object]]]
"""`text`, and `chunks` of `text` and `timestamp` (s) where words are timed, for each waveform."""


class TransformersAsr(Backend[SpeechFacts]):
    """Transcripts by a speech recognition model of transformers, with word times where it is a CTC model."""

    kind: Literal["transformers_asr"] = "transformers_asr"
    weights: str = "facebook/wav2vec2-base-960h"
    """A repository of the model hub, or a folder with a model and its processor."""
    weights_revision: str = "main"
    """Commit of the hub's repository; pin one, so that rows made later are made by the same weights."""
    weights_licence: str = ""
    """SPDX identifier, where the model card in the folder does not say it."""
    allow_non_commercial: bool = False
    """True loads weights whose licence forbids commercial use, as those of MMS."""
    language: str | None = None
    """What the model writes, BCP 47, where it knows one language only."""
    device: str = Field(default="auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    """auto takes a GPU where there is one; float16 there, float32 on a CPU."""
    trust_single_system: bool = False
    """True marks its transcripts usable for training although no second system agreed with them."""

    branch: ClassVar[Branch] = Branch.SPEECH
    requires: ClassVar[tuple[str, ...]] = ("torch", "transformers")
    remedy: ClassVar[str] = "pip install 'soundseam[models]'"
    licence: ClassVar[str] = "Apache-2.0"

    @property
    def model(self) -> str:
        return Path(self.weights).name

    @property
    def revision(self) -> str:
        local = Path(self.weights)
        weights = folder_key(local) if local.is_dir() else self.weights_revision
        return f"{weights}-{installed_version('transformers')}-1"

    def check_available(self) -> None:
        licence = licence_of(self.weights, self.weights_licence)
        refuse_non_commercial(self.backend, self.weights, licence, self.allow_non_commercial)
        super().check_available()

    def load(self) -> Annotator[SpeechFacts]:
        self.check_available()
        try:
            return TransformersAnnotator(self, _open(self))
        except (OSError, ValueError) as error:
            raise cannot_open(self.backend, self.weights, error) from error


class TransformersAnnotator:
    """The annotator of `TransformersAsr`."""

    def __init__(self, backend: TransformersAsr, recognise: Recogniser) -> None:
        self._backend = backend
        self._recognise = recognise

    def annotate(self, clips: Sequence[Clip]) -> Sequence[SpeechFacts]:
        return in_halves(self._transcribe, clips) if clips else []

    def _transcribe(self, clips: Sequence[Clip]) -> list[SpeechFacts]:
        answers = self._recognise([clip.samples for clip in clips])
        return [
            SpeechFacts(transcript=self._transcript(clip, answer)) for clip, answer in zip(clips, answers, strict=True)
        ]

    def _transcript(self, clip: Clip, answer: Mapping[str, object]) -> Transcript:
        text = str(answer["text"]).strip()
        return Transcript(
            text=text,
            words=_words(answer.get("chunks"), clip),
            language=(self._backend.language or clip.segment.language) if text else None,
            confidence=None,
            agreement=None,
            usable_for_training=self._backend.trust_single_system and bool(text),
            flags=("single_system",) if text else ("single_system", "no_words"),
        )


def _open(backend: TransformersAsr) -> Recogniser:
    import torch
    from transformers import pipeline

    has_gpu = torch.cuda.is_available()
    device = ("cuda" if has_gpu else "cpu") if backend.device == "auto" else backend.device
    recogniser = pipeline(
        "automatic-speech-recognition",
        model=backend.weights,
        revision=None if Path(backend.weights).is_dir() else backend.weights_revision,
        device=device,
        dtype=torch.float32 if device == "cpu" else torch.float16,
    )
    options = {"return_timestamps": "word"} if recogniser.type == "ctc" else {}

    def recognise(waves: Sequence[Samples]) -> Sequence[Mapping[str, object]]:
        # A CTC model that was trained without a mask hears the padding: alone, an answer depends on its clip only.
        size = 1 if recogniser.type == "ctc" else len(waves)
        heard = [{"raw": wave.copy(), "sampling_rate": 16_000} for wave in waves]
        answers: Sequence[Mapping[str, object]] = recogniser(heard, batch_size=size, **options)
        return answers

    return recognise


def _words(chunks: object, clip: Clip) -> tuple[Word, ...]:
    """Words in the recording's time; none from a model that does not time them."""
    if not isinstance(chunks, list):
        return ()
    words = []
    for chunk in chunks:
        start_s, end_s = chunk["timestamp"]
        start_ms, end_ms = (clip.segment.start_ms + round(1000 * seconds) for seconds in (start_s, end_s))
        if text := str(chunk["text"]).strip():
            words.append(Word(text=text, start_ms=start_ms, end_ms=end_ms, confidence=None))
    return in_order(words, clip.segment)
