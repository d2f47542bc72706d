"""Transcripts with word times and languages, by Whisper on CTranslate2: `faster_whisper`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from math import ceil, exp
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from soundseam.annotators.base import AnnotationError, Annotator, Backend, BackendUnavailableError, Clip
from soundseam.annotators.hub import refuse_unreachable
from soundseam.annotators.onnx import in_halves
from soundseam.annotators.speech.alignment import timed_words
from soundseam.annotators.speech.pocketsphinx import speaks_english
from soundseam.annotators.speech.transcripts import (
    an_empty_transcript,
    language_of,
    seems_in_a_loop,
    single_transcript,
    speech_stretches,
)
from soundseam.annotators.weights import (
    installed_version,
    licence_of,
    refuse_incomplete,
    refuse_non_commercial,
    weights_key,
)
from soundseam.annotators.wording.normalise import primary_language
from soundseam.schemas.event import Branch
from soundseam.schemas.segment import Segment
from soundseam.schemas.speech import SpeechFacts, Transcript, Word
from soundseam.schemas.timespan import covered_ms

if TYPE_CHECKING:
    from ctranslate2 import StorageView
    from faster_whisper import WhisperModel
    from faster_whisper.tokenizer import Tokenizer

WINDOW_MS = 30_000
"""Maximum input length of the model."""
_FRAMES = 3_000
_FRAMES_PER_SECOND = 100
_FRAME_STEP = 250
_MIN_SPEECH_SHARE = 0.25


@dataclass(frozen=True)
class Decoded:
    """The result for one clip: its text tokens, and the mean log-probability of all `length` tokens."""

    tokens: list[int]
    length: int
    score: float
    no_speech_probability: float


class SpokenLanguage(NamedTuple):
    """`probability` is None if the language was known beforehand."""

    code: str
    probability: float | None


class Decoding(NamedTuple):
    """Options of the decoder, from the backend."""

    beam_size: int
    max_tokens: int
    trust_single_system: bool
    padding_s: int


class WhisperAnnotator:
    """The annotator of `FasterWhisper`."""

    def __init__(self, whisper: WhisperModel, decoding: Decoding) -> None:
        self._whisper = whisper
        self._decoding = decoding
        self._tokenizers: dict[str, Tokenizer] = {}

    def annotate(self, clips: Sequence[Clip]) -> Sequence[SpeechFacts]:
        for clip in clips:
            if clip.segment.span.duration_ms > WINDOW_MS:
                raise AnnotationError(
                    "too_long", f"{clip.segment.span.duration_ms} ms; Whisper accepts at most {WINDOW_MS} ms"
                )
        answers = {
            index: SpeechFacts(transcript=an_empty_transcript("unsupported_language"))
            for index, clip in enumerate(clips)
            if not self._listens_to(language_of(clip))
        }
        groups = self._of_equal_length([index for index in range(len(clips)) if index not in answers], clips)
        for frames, group in groups.items():
            answers.update(self._answers(group, clips, frames))
        shorter = [index for frames, group in groups.items() if frames < _FRAMES for index in group]
        in_a_loop = [index for index in shorter if seems_in_a_loop(answers[index].transcript)]
        answers.update(self._answers(in_a_loop, clips, _FRAMES))  # small models may not stop in a shorter window
        return [answers[index] for index in range(len(clips))]

    def _answers(self, indices: Sequence[int], clips: Sequence[Clip], frames: int) -> dict[int, SpeechFacts]:
        wanted = [clips[index] for index in indices]
        found = in_halves(partial(self._transcribe, frames=frames), wanted) if wanted else []
        return dict(zip(indices, found, strict=True))

    def _listens_to(self, language: str | None) -> bool:
        """Whether the model may support `language`; one with an English-only vocabulary supports no other."""
        return self._whisper.model.is_multilingual or speaks_english(language)

    def _of_equal_length(self, indices: Sequence[int], clips: Sequence[Clip]) -> dict[int, list[int]]:
        """`indices` of clips by padded length, since the other clips of a batch must not change an answer."""
        groups: dict[int, list[int]] = {}
        for index in indices:
            groups.setdefault(self.frames_for(clips[index]), []).append(index)
        return groups

    def frames_for(self, clip: Clip) -> int:
        """Number of feature frames for `clip`, in steps of 2.5 s.

        Whisper was trained on 30 s. A shorter window is as good for speech and several times faster, but leads to more
        invented text without speech: so a clip that is mostly something else gets all 30 s.
        """
        spoken_ms = covered_ms(speech_stretches(clip.segment))
        if _MIN_SPEECH_SHARE * clip.segment.span.duration_ms > spoken_ms:
            return _FRAMES
        needed = _frames_of(clip) + _FRAMES_PER_SECOND * self._decoding.padding_s
        return min(_FRAMES, _FRAME_STEP * ceil(needed / _FRAME_STEP))

    def _transcribe(self, clips: Sequence[Clip], frames: int) -> list[SpeechFacts]:
        encoded = self._whisper.encode(np.stack([self._features(clip, frames) for clip in clips]))
        languages = self._languages(clips, encoded)
        decoded = self._decode(encoded, languages)
        words = self._words(clips, encoded, languages, decoded)
        answers = zip(languages, decoded, words, strict=True)
        return [SpeechFacts(transcript=self._transcript(*answer)) for answer in answers]

    def _features(self, clip: Clip, frames: int) -> NDArray[np.float32]:
        from faster_whisper.audio import pad_or_trim

        # The last frame is the extractor's padding.
        features: NDArray[np.float32] = pad_or_trim(self._whisper.feature_extractor(clip.samples)[..., :-1], frames)
        return features

    def _languages(self, clips: Sequence[Clip], encoded: StorageView) -> list[SpokenLanguage]:
        known = [self._known_language(clip.segment) for clip in clips]
        if all(known):
            return [SpokenLanguage(code, None) for code in known if code]
        detected = self._whisper.model.detect_language(encoded)
        return [
            SpokenLanguage(code, None) if code else SpokenLanguage(guesses[0][0].strip("<|>"), guesses[0][1])
            for code, guesses in zip(known, detected, strict=True)
        ]

    def _known_language(self, segment: Segment) -> str | None:
        if not self._whisper.model.is_multilingual:
            return "en"
        code = primary_language(segment.language)
        return code if code in self._whisper.supported_languages else None

    def _decode(self, encoded: StorageView, languages: Sequence[SpokenLanguage]) -> list[Decoded]:
        from faster_whisper.transcribe import get_suppressed_tokens

        prompts = [self._prompt(language.code) for language in languages]
        results = self._whisper.model.generate(
            encoded,
            prompts,
            beam_size=self._decoding.beam_size,
            max_length=2 * self._decoding.max_tokens,  # CTranslate2 limits Whisper to half of it, like OpenAI's code
            suppress_blank=True,
            suppress_tokens=list(get_suppressed_tokens(self._tokenizer(languages[0].code), [-1])),
            return_scores=True,
            return_no_speech_prob=True,
            sampling_temperature=0.0,
        )
        eot = self._tokenizer(languages[0].code).eot
        return [
            Decoded(
                [token for token in result.sequences_ids[0] if token < eot],
                len(result.sequences_ids[0]),
                result.scores[0],
                result.no_speech_prob,
            )
            for result in results
        ]

    def _words(
        self,
        clips: Sequence[Clip],
        encoded: StorageView,
        languages: Sequence[SpokenLanguage],
        decoded: Sequence[Decoded],
    ) -> list[tuple[Word, ...]]:
        # Alignment takes one language per call, and all clips of the batch: those in another one are passed as empty.
        frames = [min(_FRAMES, _frames_of(clip)) for clip in clips]
        words: list[tuple[Word, ...]] = [() for _ in clips]
        for code in sorted({language.code for language in languages}):
            tokens = [
                item.tokens if language.code == code else [] for language, item in zip(languages, decoded, strict=True)
            ]
            aligned = self._whisper.find_alignment(self._tokenizer(code), tokens, encoded, frames)
            for index, words_of_clip in enumerate(aligned):
                if tokens[index]:
                    words[index] = timed_words(words_of_clip, clips[index].segment, code)
        return words

    def _transcript(self, language: SpokenLanguage, decoded: Decoded, words: tuple[Word, ...]) -> Transcript:
        transcript = Transcript(
            text=self._tokenizer(language.code).decode(decoded.tokens),
            words=words,
            language=language.code,
            confidence=round(min(1.0, exp(decoded.score)), 3),
            agreement=None,
            usable_for_training=False,
            flags=("cut_short",) if decoded.length >= self._decoding.max_tokens else (),
            language_probability=None if language.probability is None else round(min(1.0, language.probability), 3),
            no_speech_probability=round(min(1.0, decoded.no_speech_probability), 3),
        )
        return single_transcript(transcript, self._decoding.trust_single_system)

    def _prompt(self, code: str) -> list[int]:
        tokenizer = self._tokenizer(code)
        return [*tokenizer.sot_sequence, tokenizer.no_timestamps]

    def _tokenizer(self, code: str) -> Tokenizer:
        from faster_whisper.tokenizer import Tokenizer

        if code not in self._tokenizers:
            self._tokenizers[code] = Tokenizer(
                self._whisper.hf_tokenizer, self._whisper.model.is_multilingual, task="transcribe", language=code
            )
        return self._tokenizers[code]


def _frames_of(clip: Clip) -> int:
    return ceil(len(clip.samples) / clip.sample_rate_hz * _FRAMES_PER_SECOND)


_SIZES = {
    **{
        size: f"Systran/faster-whisper-{size}"
        for name in ("tiny", "base", "small", "medium")
        for size in (name, f"{name}.en")
    },
    **{f"large-v{number}": f"Systran/faster-whisper-large-v{number}" for number in (1, 2, 3)},
    "large": "Systran/faster-whisper-large-v3",
    "turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
    "large-v3-turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
    "distil-small.en": "Systran/faster-distil-whisper-small.en",
    "distil-medium.en": "Systran/faster-distil-whisper-medium.en",
    "distil-large-v2": "Systran/faster-distil-whisper-large-v2",
    "distil-large-v3": "Systran/faster-distil-whisper-large-v3",
    "distil-large-v3.5": "distil-whisper/distil-large-v3.5-ct2",
}
"""The repositories of faster-whisper 1.2 for sizes given by name."""


class FasterWhisper(Backend[SpeechFacts]):
    """Whisper of any size: words with times, the language detected in the audio, and the model's confidence."""

    kind: Literal["faster_whisper"] = "faster_whisper"
    weights: str = "large-v3"
    """A size such as small or large-v3-turbo, a repository of the model hub, or a folder with a converted model."""
    weights_revision: str = "main"
    """Commit of the hub's repository; pin one, so that later rows are made with the same weights."""
    weights_licence: str = ""
    """SPDX identifier, if the model card in the folder does not state it."""
    allow_non_commercial: bool = False
    """If true, weights whose licence forbids commercial use are loaded."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto uses a GPU if there is one."""
    compute_type: str = "auto"
    """auto is float16 on a GPU and int8 on a CPU; or a type of CTranslate2, such as float32 or int8_float16."""
    threads: int = Field(default=1, ge=1)
    """CPU threads of one worker; workers are one per core."""
    beam_size: int = Field(default=5, ge=1, le=20)
    """Beam size of decoding; 5 is Whisper's default."""
    max_tokens: int = Field(alias="most_tokens", default=224, ge=4, le=224)
    """Maximum number of tokens: about twice what 30 s of fast speech need. Truncated text is flagged as cut_short."""
    padding_s: int = Field(default=5, ge=3, le=30)
    """Silence after a clip, up to 30 s in all; 30 is Whisper's own behaviour, and several times slower."""
    trust_single_system: bool = False
    """If true, its transcripts are usable for training without the agreement of a second system."""

    branch: ClassVar[Branch] = Branch.SPEECH
    reads_language: ClassVar[bool] = True
    reads_annotations: ClassVar[bool] = True
    requires: ClassVar[tuple[str, ...]] = ("faster_whisper", "ctranslate2")
    remedy: ClassVar[str] = "pip install 'soundseam[speech]'"
    licence: ClassVar[str] = "MIT"

    @property
    def repository(self) -> str | None:
        if Path(self.weights).is_dir():
            return None
        return (
            self.weights if "/" in self.weights else _SIZES.get(self.weights, f"Systran/faster-whisper-{self.weights}")
        )

    @property
    def weights_terms(self) -> str:
        return licence_of(self.repository or self.weights, self.weights_licence)

    @property
    def model(self) -> str:
        name = Path(self.weights).name
        return name if "whisper" in name else f"whisper-{name}"

    @property
    def revision(self) -> str:
        return f"{weights_key(self.weights, self.weights_revision)}-{installed_version('faster-whisper')}-5"

    def check_available(self) -> None:
        refuse_non_commercial(self.backend, self.weights, self.weights_terms, self.allow_non_commercial)
        super().check_available()
        refuse_incomplete(self.backend, self.weights, ["model.bin"])
        refuse_unreachable(self.backend, self.repository or self.weights, "weights")

    def load(self) -> Annotator[SpeechFacts]:
        self.check_available()
        decoding = Decoding(self.beam_size, self.max_tokens, self.trust_single_system, self.padding_s)
        return WhisperAnnotator(_open(self), decoding)


def _open(backend: FasterWhisper) -> WhisperModel:
    import ctranslate2
    from faster_whisper import WhisperModel

    has_gpu = ctranslate2.get_cuda_device_count() > 0
    device = ("cuda" if has_gpu else "cpu") if backend.device == "auto" else backend.device
    fitting = "float16" if device == "cuda" else "int8"
    try:
        return WhisperModel(
            backend.weights,
            device=device,
            compute_type=fitting if backend.compute_type == "auto" else backend.compute_type,
            cpu_threads=backend.threads,
            revision=None if Path(backend.weights).is_dir() else backend.weights_revision,
        )
    except (OSError, ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise BackendUnavailableError(
            f"{backend.backend} cannot open {backend.weights} ({reason}): "
            "set weights to a folder with a converted model, or let this machine reach the model hub"
        ) from error
