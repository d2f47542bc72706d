"""Transcripts by any model that sherpa-onnx runs, without torch: `sherpa_onnx`."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from math import ceil, exp
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple, Protocol, cast

import numpy as np
from pydantic import Field

from soundseam.annotators.base import Annotator, Backend, BackendUnavailableError, Clip, Samples
from soundseam.annotators.onnx import in_halves
from soundseam.annotators.speech.alignment import within_speech
from soundseam.annotators.speech.sherpa_models import SherpaModel, files_to_load, languages_by_name, open_folder
from soundseam.annotators.speech.transcripts import an_empty_transcript, language_of, single_transcript
from soundseam.annotators.weights import NamedWeights, cannot_open
from soundseam.annotators.wording.normalise import primary_language
from soundseam.schemas.event import Branch
from soundseam.schemas.segment import Segment
from soundseam.schemas.speech import SpeechFacts, Transcript, Word

_STEP_S = 1
"""Clips are padded to whole seconds, so that clips of similar length form a batch: the others in it must not change an
answer."""
_WHISPER_MAX_S = 29.5
"""Maximum length that sherpa-onnx passes to Whisper; the rest is dropped."""
_MAX_WORD_TAIL_S = 0.3
"""Maximum length of the last part of a word, if the model only gives its start."""
_WORDS = re.compile(
    r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\u0e00-\u0e7f][^\w\s]*|[^\s\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\u0e00-\u0e7f]+"
)
"""Words, and single characters of scripts without spaces."""
_CLASSES = re.compile(r"^<\|(\w+)\|>$")


class Answer(Protocol):
    """The answer for one clip: its text, and its tokens with their start times (s) if the model gives them."""

    @property
    def text(self) -> str: ...
    @property
    def tokens(self) -> Sequence[str]: ...
    @property
    def timestamps(self) -> Sequence[float]: ...
    @property
    def durations(self) -> Sequence[float]: ...
    @property
    def ys_log_probs(self) -> Sequence[float]: ...
    @property
    def lang(self) -> str: ...


class Stream(Protocol):
    """The input stream of one clip."""

    @property
    def result(self) -> Answer: ...

    def accept_waveform(self, sample_rate: int, waveform: Samples) -> None: ...


class _WhisperConfig(Protocol):
    language: str


class _ModelConfig(Protocol):
    @property
    def whisper(self) -> _WhisperConfig: ...


class _Config(Protocol):
    @property
    def model_config(self) -> _ModelConfig: ...


class _Inner(Protocol):
    def set_config(self, config: _Config) -> None: ...


class Recogniser(Protocol):
    """The methods of `sherpa_onnx.OfflineRecognizer` that are used here."""

    @property
    def config(self) -> _Config: ...
    @property
    def recognizer(self) -> _Inner: ...

    def create_stream(self) -> Stream: ...

    def decode_streams(self, ss: Sequence[Stream]) -> None: ...


class SherpaOnnx(NamedWeights, Backend[SpeechFacts]):
    """Transcripts by a model of sherpa-onnx: Parakeet, SenseVoice, Paraformer, Zipformer, Whisper and others."""

    kind: Literal["sherpa_onnx"] = "sherpa_onnx"
    weights: str = "csukuangfj/sherpa-onnx-nemo-parakeet-tdt-0.6b-v3-int8"
    """A repository of the model hub, or a folder with one model: its ONNX files and their tokens.txt."""
    languages: tuple[str, ...] = ()
    """Supported languages, BCP 47, if the model's files do not state them: clips in others are skipped."""
    quantised: bool = True
    """If true, use a model's int8 files if it has them: smaller, and faster on a CPU."""
    provider: Literal["cpu", "cuda", "coreml"] = "cpu"
    """Execution provider of ONNX Runtime; cuda needs sherpa-onnx's own wheel for it."""
    threads: int = Field(default=1, ge=1)
    """CPU threads of one worker; workers are one per core."""
    trust_single_system: bool = False
    """If true, its transcripts are usable for training without the agreement of a second system."""

    branch: ClassVar[Branch] = Branch.SPEECH
    reads_language: ClassVar[bool] = True
    reads_annotations: ClassVar[bool] = True
    requires: ClassVar[tuple[str, ...]] = ("sherpa_onnx",)
    remedy: ClassVar[str] = "pip install 'soundseam[sherpa]'"
    runs_on: ClassVar[tuple[str, ...]] = ("sherpa-onnx",)
    licence: ClassVar[str] = "CC-BY-4.0"

    def check_available(self) -> None:
        super().check_available()
        if Path(self.weights).is_dir():
            open_folder(Path(self.weights), self.quantised)

    def load(self) -> Annotator[SpeechFacts]:
        self.check_available()
        model = open_folder(_folder_of(self), self.quantised)
        return SherpaAnnotator(self, model, open_recogniser(self, model))


class SherpaAnnotator:
    """The annotator of `SherpaOnnx`."""

    def __init__(self, backend: SherpaOnnx, model: SherpaModel, recogniser: Recogniser) -> None:
        self._backend = backend
        self._model = model
        self._recogniser = recogniser
        self._languages = backend.languages or model.languages or languages_by_name(Path(backend.weights).name)

    def annotate(self, clips: Sequence[Clip]) -> Sequence[SpeechFacts]:
        languages = [language_of(clip) for clip in clips]
        answers = {
            index: SpeechFacts(transcript=an_empty_transcript("unsupported_language"))
            for index, language in enumerate(languages)
            if not self._knows(language)
        }
        for group in self._batches([index for index in range(len(clips)) if index not in answers], clips):
            answers.update(zip(group, in_halves(self._transcribe, [clips[index] for index in group]), strict=True))
        return [answers[index] for index in range(len(clips))]

    def _knows(self, language: str | None) -> bool:
        known = {primary_language(code) for code in self._languages}
        return language is None or not known or primary_language(language) in known

    def _batches(self, indices: Sequence[int], clips: Sequence[Clip]) -> list[list[int]]:
        """`indices` of clips that go through the model together: of equal length, if it takes several at once."""
        if not self._model.family.batches:
            return [[index] for index in indices]
        groups: dict[int, list[int]] = {}
        for index in indices:
            groups.setdefault(_whole_seconds(clips[index]), []).append(index)
        return [groups[seconds] for seconds in sorted(groups)]

    def _transcribe(self, clips: Sequence[Clip]) -> list[SpeechFacts]:
        if self._model.kind == "whisper" and self._model.has_languages:
            self._expect(language_of(clips[0]))
        streams = [self._recogniser.create_stream() for _ in clips]
        for stream, clip in zip(streams, clips, strict=True):
            stream.accept_waveform(clip.sample_rate_hz, _padded(clip, self._model.family.batches))
        self._recogniser.decode_streams(streams)
        return [
            SpeechFacts(transcript=self._transcript(clip, stream.result))
            for clip, stream in zip(clips, streams, strict=True)
        ]

    def _expect(self, language: str | None) -> None:
        """Sets the language of the next clip; if unknown, it is detected."""
        code = primary_language(language) or ""
        config = self._recogniser.config
        config.model_config.whisper.language = code if code in self._model.languages else ""
        self._recogniser.recognizer.set_config(config)

    def _transcript(self, clip: Clip, answer: Answer) -> Transcript:
        probabilities = [exp(min(0.0, logarithm)) for logarithm in answer.ys_log_probs]
        cut = self._model.kind == "whisper" and len(clip.samples) > _WHISPER_MAX_S * clip.sample_rate_hz
        recognised = Transcript(
            text=answer.text.strip(),
            words=words_of(answer, clip.segment),
            language=self._language(clip, answer),
            confidence=round(float(np.mean(probabilities)), 3) if probabilities else None,
            agreement=None,
            usable_for_training=False,
            flags=("cut_short",) if cut else (),
        )
        return single_transcript(recognised, self._backend.trust_single_system)

    def _language(self, clip: Clip, answer: Answer) -> str | None:
        named = _CLASSES.sub(r"\1", answer.lang)
        if named and named not in {"nospeech", "auto"}:
            return named
        return language_of(clip) or (self._languages[0] if len(self._languages) == 1 else None)


class _TimedToken(NamedTuple):
    """A token's position in the text, its start time in s, and the model's confidence."""

    place: int
    start_s: float
    end_s: float
    confidence: float | None
    is_spoken: bool
    """False for punctuation, whose time may be anywhere in the pause after a word."""


def words_of(answer: Answer, segment: Segment) -> tuple[Word, ...]:
    """The words of `answer` in the recording's time; empty if the model does not time all of them."""
    tokens = _placed(answer)
    words = []
    for match in _WORDS.finditer(answer.text):
        parts = [token for token in tokens if match.start() <= token.place < match.end()]
        if not parts:
            return ()
        spoken = [part for part in parts if part.is_spoken] or parts
        confidences = [part.confidence for part in parts if part.confidence is not None]
        start_ms, end_ms = (segment.start_ms + round(1000 * time) for time in (spoken[0].start_s, spoken[-1].end_s))
        words.append(
            Word(
                text=match[0],
                start_ms=max(segment.start_ms, start_ms),
                end_ms=max(segment.start_ms, start_ms, end_ms),
                confidence=round(min(confidences), 3) if confidences else None,
            )
        )
    return within_speech(words, segment)


def _placed(answer: Answer) -> list[_TimedToken]:
    """The tokens of `answer` that occur in its text, in order; empty if not every token has a time."""
    try:
        tokens, starts = list(answer.tokens), list(answer.timestamps)
    except UnicodeDecodeError:  # a token of a byte-level vocabulary that is half a character
        return []
    if not tokens or len(starts) != len(tokens):
        return []
    durations = list(answer.durations) if len(answer.durations) == len(tokens) else None
    logarithms = list(answer.ys_log_probs) if len(answer.ys_log_probs) == len(tokens) else None
    placed, place = [], 0
    for index, token in enumerate(tokens):
        written = token.strip().removesuffix("@@").removeprefix("\u2581")
        found = answer.text.find(written, place) if written else -1
        if found < 0:
            continue
        start_s = starts[index]
        next_s = starts[index + 1] if index + 1 < len(starts) else start_s + _MAX_WORD_TAIL_S
        end_s = start_s + durations[index] if durations else min(next_s, start_s + _MAX_WORD_TAIL_S)
        confidence = exp(min(0.0, logarithms[index])) if logarithms else None
        is_spoken = any(character.isalnum() for character in written)
        placed.append(_TimedToken(found, start_s, max(start_s, end_s), confidence, is_spoken))
        place = found + len(written)
    return placed


def _whole_seconds(clip: Clip) -> int:
    return _STEP_S * max(1, ceil(len(clip.samples) / clip.sample_rate_hz / _STEP_S))


def _padded(clip: Clip, to_batch: bool) -> Samples:
    """The clip with silence up to whole seconds for a batch, else up to one second: some models need a few frames."""
    seconds = _whole_seconds(clip) if to_batch else _STEP_S
    return np.pad(clip.samples, (0, max(0, seconds * clip.sample_rate_hz - len(clip.samples))))


def _folder_of(backend: SherpaOnnx) -> Path:
    """The folder with the weights; from a repository only one precision of each file is downloaded."""
    local = Path(backend.weights)
    if local.is_dir():
        return local
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    where = {"repo_id": backend.weights, "revision": backend.weights_revision}
    try:
        cached = Path(snapshot_download(**where, local_files_only=True))
        open_folder(cached, backend.quantised)
    except (LocalEntryNotFoundError, BackendUnavailableError):
        pass  # nothing of it was fetched before, or not all
    else:
        return cached
    try:
        return Path(
            snapshot_download(**where, allow_patterns=_wanted(HfApi().list_repo_files(**where), backend.quantised))
        )
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError, *_no_answer()) as error:
        raise cannot_open(backend.backend, backend.weights, error) from error


def _no_answer() -> tuple[type[Exception], ...]:
    """What the hub's client raises if no server answers: an error of the HTTP library that it is built on."""
    return tuple(sys.modules[name].HTTPError for name in ("httpx", "httpx2") if name in sys.modules)


def _wanted(names: Sequence[str], quantised: bool) -> list[str]:
    """The files of one model in a repository; a tokenizer may be a folder, large weights an extra file."""
    roles = files_to_load([name for name in names if not name.startswith("test_wavs/")], quantised)
    folder = str(Path(roles["tokenizer"]).parent) if "tokenizer" in roles else None
    return [
        *(name for role, name in roles.items() if role != "tokenizer"),
        *(f"{name}.data" for name in roles.values()),
        *([f"{folder}/*"] if folder else []),
        *("*.weights", "README.md"),
    ]


def open_recogniser(backend: SherpaOnnx, model: SherpaModel) -> Recogniser:
    """Raises BackendUnavailableError if sherpa-onnx cannot open `model`."""
    from sherpa_onnx import OfflineRecognizer

    options: dict[str, str | int | bool] = {"num_threads": backend.threads, "provider": backend.provider}
    options |= _OPTIONS.get(model.kind, {})
    try:
        recogniser = getattr(OfflineRecognizer, model.family.factory)(**model.files, **options)
    except (RuntimeError, ValueError, AssertionError) as error:
        raise cannot_open(backend.backend, backend.weights, error) from error
    return cast(Recogniser, recogniser)


_OPTIONS: Mapping[str, Mapping[str, str | int | bool]] = {
    "nemo_transducer": {"model_type": "nemo_transducer"},
    "sense_voice": {"use_itn": True},  # with punctuation and digits
    "whisper": {"language": "", "enable_token_timestamps": True},
}
