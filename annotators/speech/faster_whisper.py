"""Transcripts with word times and languages, by Whisper on CTranslate2: `faster_whisper`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from annotators.base import Annotator, Backend, BackendUnavailableError
from annotators.hub import refuse_unreachable
from annotators.packages import installed_version
from annotators.weights import folder_key, licence_of, refuse_non_commercial
from schemas.event import Branch
from schemas.speech import SpeechFacts

if TYPE_CHECKING:
    from faster_whisper import WhisperModel


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
"""Where faster-whisper 1.2 finds the sizes that it knows by name."""


class FasterWhisper(Backend[SpeechFacts]):
    """Whisper of any size: words with times, the language by its sound, and how sure the model is."""

    kind: Literal["faster_whisper"] = "faster_whisper"
    weights: str = "large-v3"
    """A size as in small or large-v3-turbo, a repository of the model hub, or a folder with a converted model."""
    weights_revision: str = "main"
    """Commit of the hub's repository; pin one, so that rows made later are made by the same weights."""
    weights_licence: str = ""
    """SPDX identifier, where the model card in the folder does not say it."""
    allow_non_commercial: bool = False
    """True loads weights whose licence forbids commercial use."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto takes a GPU where there is one."""
    compute_type: str = "auto"
    """auto is float16 on a GPU and int8 on a CPU; else what CTranslate2 knows, as in float32 or int8_float16."""
    threads: int = Field(default=1, ge=1)
    """CPU threads of one worker; workers are one a core."""
    beam_size: int = Field(default=5, ge=1, le=20)
    """Hypotheses kept while decoding; 5 is Whisper's own."""
    most_tokens: int = Field(default=224, ge=4, le=224)
    """Where decoding stops: about twice what 30 s of fast speech need. Stopped text is flagged as cut_short."""
    trust_single_system: bool = False
    """True marks its transcripts usable for training although no second system agreed with them."""

    branch: ClassVar[Branch] = Branch.SPEECH
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
        return f"whisper-{Path(self.weights).name}"

    @property
    def revision(self) -> str:
        local = Path(self.weights)
        weights = folder_key(local) if local.is_dir() else self.weights_revision
        return f"{weights}-{installed_version('faster-whisper')}-2"

    def check_available(self) -> None:
        refuse_non_commercial(self.backend, self.weights, self.weights_terms, self.allow_non_commercial)
        super().check_available()
        refuse_unreachable(self.backend, self.repository or self.weights, "weights")

    def load(self) -> Annotator[SpeechFacts]:
        self.check_available()
        from annotators.speech.whisper_decoding import Decoding, WhisperAnnotator

        decoding = Decoding(self.beam_size, self.most_tokens, self.trust_single_system)
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
