"""What is known about repositories of the model hub before a download: licence, terms, size, and local cache."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from soundseam.annotators.base import BackendUnavailableError

HUB = "https://huggingface.co"
_REPOSITORY = re.compile(r"[\w-][\w.-]*/[\w.-]+")


@dataclass(frozen=True)
class Terms:
    """`licence` is an SPDX identifier. `gated` weights need terms accepted on their page, and a token."""

    licence: str
    gated: bool = False


_TERMS = {
    "aslp-lab/songformer": Terms("CC-BY-NC-4.0"),
    "but-fit/diarizen": Terms("CC-BY-NC-4.0"),
    "csukuangfj/sherpa-onnx-moonshine-": Terms("MIT"),
    "csukuangfj/sherpa-onnx-nemo-parakeet": Terms("CC-BY-4.0"),
    "csukuangfj/sherpa-onnx-whisper-": Terms("MIT"),
    "dima806/music_genres_classification": Terms("Apache-2.0"),
    "distil-whisper/": Terms("MIT"),
    "facebook/mms-": Terms("CC-BY-NC-4.0"),
    "facebook/wav2vec2-": Terms("Apache-2.0"),
    "laion/clap-": Terms("Apache-2.0"),
    "laion/larger_clap_": Terms("Apache-2.0"),
    "m-a-p/mert-": Terms("CC-BY-NC-4.0"),
    "mahmoudashraf/mms-300m-1130-forced-aligner": Terms("CC-BY-NC-4.0"),
    "mit/ast-finetuned-": Terms("BSD-3-Clause"),
    "mobiuslabsgmbh/faster-whisper-": Terms("MIT"),
    "openai/whisper-": Terms("Apache-2.0"),
    "openmoss-team/moss-audio": Terms("Apache-2.0"),
    "openmuq/": Terms("CC-BY-NC-4.0"),
    "pyannote/segmentation-3.0": Terms("MIT", gated=True),
    "pyannote/speaker-diarization-3.1": Terms("MIT", gated=True),
    "pyannote/speaker-diarization-community-1": Terms("CC-BY-4.0", gated=True),
    "pyannote/wespeaker-voxceleb-": Terms("CC-BY-4.0"),
    "systran/faster-": Terms("MIT"),
}
"""By prefixes of repository names, in lower case; from the model cards.

SongFormer itself is CC-BY-4.0; its MuQ encoder, whose weights are in its file, is not.
"""


_SIZES_MB = {
    "csukuangfj/sherpa-onnx-nemo-parakeet-tdt-0.6b-v3-int8": 671,
    "mobiuslabsgmbh/faster-whisper-large-v3-turbo": 1_620,
    "systran/faster-whisper-base": 145,
    "systran/faster-whisper-large-v3": 3_090,
    "systran/faster-whisper-medium": 1_530,
    "systran/faster-whisper-small": 484,
    "systran/faster-whisper-tiny": 75,
}
"""Download size of a repository, from its page."""


def terms_of(repository: str) -> Terms | None:
    """The terms of a repository; None if they are not known here."""
    name = repository.lower()
    return next((terms for start, terms in _TERMS.items() if name.startswith(start)), None)


def page_of(repository: str) -> str:
    return f"{HUB}/{repository}"


def is_here(repository: str) -> bool:
    """Whether the hub's cache on this machine has any snapshot of `repository`, complete or partial."""
    return next((_place_of(repository) / "snapshots").glob("*/*"), None) is not None


def _place_of(repository: str) -> Path:
    return _cache() / f"models--{repository.replace('/', '--')}"


def size_mb_of(repository: str) -> float | None:
    """The size of `repository` in the hub's cache, else the known download size; None if unknown."""
    blobs = list((_place_of(repository) / "blobs").glob("*"))
    if is_here(repository) and blobs:
        return sum(blob.stat().st_size for blob in blobs) / 1e6
    return _SIZES_MB.get(repository.lower())


def has_token() -> bool:
    """Whether a token for the hub is set here, by HF_TOKEN or by `hf auth login`."""
    if os.environ.get("HF_TOKEN") or os.environ.get("HUGGING_FACE_HUB_TOKEN"):
        return True
    return Path(os.environ.get("HF_TOKEN_PATH", _home() / "token")).is_file()


def is_offline() -> bool:
    """Whether this machine is set to offline mode."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}


def note_of(repository: str) -> str:
    """Where the weights of `repository` come from when loaded here, in the words of `doctor`."""
    size_mb = size_mb_of(repository)
    size = f", {size_mb:,.0f} MB" if size_mb else ""
    if is_here(repository):
        return f"{repository} is in this machine's cache of the model hub{size}"
    terms = terms_of(repository)
    gate = "gated, a token is set" if terms and terms.gated else "no token needed" if terms else "terms on its page"
    return f"{repository} comes from {page_of(repository)} at first use ({gate}){size}"


def refuse_unreachable(backend: str, weights: str, option: str) -> None:
    """Raises BackendUnavailableError if it is known beforehand that `weights` cannot be loaded here.

    `option` is the option that sets them: a folder, or a repository of the hub.
    """
    if Path(weights).is_dir():
        return
    if not _REPOSITORY.fullmatch(weights):
        raise BackendUnavailableError(
            f"{backend} finds no folder {weights}: set {option} to a folder with the model, or to a repository on the "
            "model hub, as in owner/name"
        )
    if is_here(weights):
        return
    terms = terms_of(weights)
    folder = f"download it elsewhere (hf download {weights} --local-dir FOLDER) and set {option} to that folder"
    if terms and terms.gated and not has_token():
        raise BackendUnavailableError(
            f"{backend} needs {weights}, which is gated: accept its terms on {page_of(weights)} and set HF_TOKEN "
            f"to a token of your account, or {folder}"
        )
    if is_offline():
        raise BackendUnavailableError(
            f"{backend} needs {weights}, and HF_HUB_OFFLINE blocks the model hub on this machine: unset it, or {folder}"
        )


def _home() -> Path:
    if place := os.environ.get("HF_HOME"):
        return Path(place).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "huggingface"


def _cache() -> Path:
    return Path(os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE") or _home() / "hub")
