"""Who speaks when, by DiariZen in its own Python environment: `diarizen`."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from soundseam.annotators.base import (
    DETECTION_RATE_HZ,
    AnnotationError,
    Backend,
    BackendUnavailableError,
    RecordingAnnotator,
    Samples,
)
from soundseam.annotators.speech import diarizen_process
from soundseam.annotators.speech.turns import SpeakerSpan, WindowedDiarizer, WindowTurns, span_in
from soundseam.annotators.weights import UNKNOWN, licence_of, refuse_non_commercial, repository_of, weights_key
from soundseam.schemas.event import Branch
from soundseam.schemas.speech import SpeechFacts
from soundseam.schemas.timespan import TimeSpan

_LAST_CHARACTERS = 400
"""Characters of a process's last output in an error message."""


class Diarizen(Backend[SpeechFacts]):
    """Speakers' turns by DiariZen (WavLM and pyannote's clustering), which runs in a separate process with its own
    packages.
    """

    kind: Literal["diarizen"] = "diarizen"
    python: str = ""
    """Python of the environment in which github.com/BUTSpeechFIT/DiariZen is installed; required."""
    weights: str = "BUT-FIT/diarizen-wavlm-large-s80-md-v2"
    """A repository of the model hub, or a folder with config.toml and pytorch_model.bin."""
    weights_revision: str = "main"
    """The version of the weights, for your own bookkeeping: DiariZen takes the newest from the hub."""
    weights_licence: str = ""
    """SPDX identifier, if it differs from that of DiariZen's own weights."""
    embedding: str = ""
    """For a folder: the file pytorch_model.bin of pyannote/wespeaker-voxceleb-resnet34-LM."""
    allow_non_commercial: bool = False
    """If true, weights whose licence forbids commercial use, such as all of DiariZen's, are loaded."""
    window_s: int = Field(default=600, ge=60)
    """Length of a diarization window: bounds memory, whatever the recording's length."""
    overlap_s: int = Field(default=50, ge=5, le=50)
    """Overlap of neighbouring windows: speakers active in it are matched, others get new labels."""
    max_speakers: int | None = Field(alias="most_speakers", default=None, ge=1)
    """Maximum number of speakers per window; null for the limit of the weights' configuration."""

    not_in_key: ClassVar[frozenset[str]] = Backend.not_in_key | {"python"}
    branch: ClassVar[Branch] = Branch.SPEECH
    takes_recordings: ClassVar[bool] = True
    licence: ClassVar[str] = "CC-BY-NC-4.0"

    @property
    def model(self) -> str:
        return Path(self.weights).name

    @property
    def revision(self) -> str:
        return f"{weights_key(self.weights, self.weights_revision)}-1"

    @property
    def repository(self) -> str | None:
        return repository_of(self.weights)

    @property
    def weights_terms(self) -> str:
        stated = licence_of(self.weights, self.weights_licence)
        return self.licence if stated == UNKNOWN else stated

    def check_available(self) -> None:
        refuse_non_commercial(self.backend, self.weights, self.weights_terms, self.allow_non_commercial)
        super().check_available()
        if not self.python or shutil.which(self.python) is None:
            raise BackendUnavailableError(
                f"{self.backend} needs python, which is {self.python or 'not set'}: install "
                "github.com/BUTSpeechFIT/DiariZen in its own environment and set python to that environment's python"
            )
        if Path(self.weights).is_dir() and not Path(self.embedding).is_file():
            raise BackendUnavailableError(
                f"{self.backend} needs embedding for the folder {self.weights}: set it to the file "
                "pytorch_model.bin of pyannote/wespeaker-voxceleb-resnet34-LM"
            )

    def load(self) -> RecordingAnnotator[SpeechFacts]:
        self.check_available()
        process = DiarizenProcess(self)
        process.start()
        return WindowedDiarizer(process.diarize, self)


class _Ready(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    ready: Literal[True]


class _Turns(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    turns: tuple[tuple[float, float, str], ...]


class DiarizenProcess:
    """A running DiariZen process. If it ends during a window, it is restarted for the next one."""

    def __init__(self, backend: Diarizen) -> None:
        self._backend = backend
        self._process: subprocess.Popen[str] | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="soundseam-diarizen-")
        self._one_at_a_time = threading.Lock()

    def start(self) -> None:
        """Raises BackendUnavailableError if DiariZen does not start."""
        backend = self._backend
        most = "" if backend.max_speakers is None else str(backend.max_speakers)
        command = [backend.python, diarizen_process.__file__, backend.weights, backend.embedding, most]
        with self._log.open("w") as log:
            self._process = subprocess.Popen(  # noqa: S603 - the user's own Python, named in the configuration
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, encoding="utf-8"
            )
        try:
            _Ready.model_validate_json(self._answer())
        except ValidationError as error:
            self._stop()
            raise BackendUnavailableError(
                f"{backend.backend} did not start ({self._last_words()}): check that python -c 'import diarizen' runs "
                f"there, and that {backend.weights} is a folder or available from the model hub"
            ) from error

    def diarize(self, samples: Samples, window: TimeSpan) -> WindowTurns:
        import soundfile

        wav = Path(self._folder.name) / "window.wav"
        with self._one_at_a_time:
            soundfile.write(wav, samples, DETECTION_RATE_HZ, subtype="FLOAT")
            if self._process is None:
                self.start()
            try:
                found = _Turns.model_validate_json(self._ask(wav))
            except (ValidationError, BrokenPipeError) as error:
                self._stop()
                raise AnnotationError("diarization_failed", self._last_words()) from error
        spans = [SpeakerSpan(speaker, span_in(window, start_s, end_s)) for start_s, end_s, speaker in found.turns]
        return WindowTurns(window, tuple(turn for turn in spans if turn.span.duration_ms > 0), {})

    @property
    def _log(self) -> Path:
        return Path(self._folder.name) / "log"

    def _ask(self, wav: Path) -> str:
        if self._process is None or self._process.stdin is None:
            raise BrokenPipeError
        self._process.stdin.write(json.dumps({"wav": str(wav)}) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> str:
        """The next line; empty if the process has ended."""
        return self._process.stdout.readline() if self._process is not None and self._process.stdout else ""

    def _stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _last_words(self) -> str:
        """The last line of the process's standard error."""
        said = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return said[-1][-_LAST_CHARACTERS:] if said else "it said nothing"
