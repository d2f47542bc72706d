"""Transcripts by any CTC or sequence-to-sequence model of transformers: `transformers_asr`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Literal

from soundseam.annotators.base import Annotator, Backend, Clip, Samples
from soundseam.annotators.onnx import in_halves
from soundseam.annotators.speech.alignment import in_order
from soundseam.annotators.speech.transcripts import an_empty_transcript, language_of, single_transcript
from soundseam.annotators.weights import TorchWeights, cannot_open, torch_device
from soundseam.annotators.wording.normalise import primary_language
from soundseam.schemas.event import Branch
from soundseam.schemas.speech import SpeechFacts, Transcript, Word

Recogniser = Callable[[Sequence[Samples]], Sequence[Mapping[str, object]]]
"""`text`, and `chunks` of `text` and `timestamp` (s) if words are timed, for each waveform."""


class TransformersAsr(TorchWeights, Backend[SpeechFacts]):
    """Transcripts by a speech recognition model of transformers, with word times if it is a CTC model."""

    kind: Literal["transformers_asr"] = "transformers_asr"
    weights: str = "facebook/wav2vec2-base-960h"
    """A repository of the model hub, or a folder with a model and its processor."""
    language: str | None = None
    """The model's language, BCP 47, if it has only one: clips in others are skipped."""
    trust_single_system: bool = False
    """If true, its transcripts are usable for training without the agreement of a second system."""

    branch: ClassVar[Branch] = Branch.SPEECH
    reads_language: ClassVar[bool] = True
    reads_annotations: ClassVar[bool] = True
    licence: ClassVar[str] = "Apache-2.0"
    answers_revision: ClassVar[str] = "3"

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
        known = [self._knows(language_of(clip)) for clip in clips]
        waves = [clip.samples for clip, listens in zip(clips, known, strict=True) if listens]
        answers = iter(self._recognise(waves) if waves else ())
        transcripts = (
            self._transcript(clip, next(answers)) if listens else an_empty_transcript("unsupported_language")
            for clip, listens in zip(clips, known, strict=True)
        )
        return [SpeechFacts(transcript=transcript) for transcript in transcripts]

    def _knows(self, language: str | None) -> bool:
        own = self._backend.language
        return own is None or language is None or primary_language(language) == primary_language(own)

    def _transcript(self, clip: Clip, answer: Mapping[str, object]) -> Transcript:
        recognised = Transcript(
            text=str(answer["text"]),
            words=_words(answer.get("chunks"), clip),
            language=self._backend.language or clip.segment.language,
            confidence=None,
            agreement=None,
            usable_for_training=False,
            flags=(),
        )
        return single_transcript(recognised, self._backend.trust_single_system)


def _open(backend: TransformersAsr) -> Recogniser:
    import torch
    from transformers import pipeline

    device = torch_device(backend.device)
    recogniser = pipeline(
        "automatic-speech-recognition",
        model=backend.weights,
        revision=backend.hub_revision,
        device=device,
        dtype=torch.float32 if device == "cpu" else torch.float16,
    )
    options = {"return_timestamps": "word"} if recogniser.type == "ctc" else {}
    # A fast tokenizer must not be used by two threads at once.
    one_at_a_time = threading.Lock()

    def recognise(waves: Sequence[Samples]) -> Sequence[Mapping[str, object]]:
        # A CTC model trained without a mask is affected by padding: one at a time, an answer depends only on its clip.
        size = 1 if recogniser.type == "ctc" else len(waves)
        inputs = [{"raw": wave.copy(), "sampling_rate": 16_000} for wave in waves]
        with one_at_a_time:
            answers: Sequence[Mapping[str, object]] = recogniser(inputs, batch_size=size, **options)
        return answers

    return recognise


def _words(chunks: object, clip: Clip) -> tuple[Word, ...]:
    """Words in the recording's time; empty if the model does not time them."""
    if not isinstance(chunks, list):
        return ()
    words = []
    for chunk in chunks:
        start_s, end_s = chunk["timestamp"]
        start_ms, end_ms = (clip.segment.start_ms + round(1000 * seconds) for seconds in (start_s, end_s))
        if text := str(chunk["text"]).strip():
            words.append(Word(text=text, start_ms=start_ms, end_ms=end_ms, confidence=None))
    return in_order(words, clip.segment)
