"""Predicted opinion scores of speech, by the DNSMOS models in the wheel of speechmos: `dnsmos`."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from soundseam.annotators.base import Annotator, Backend, BackendUnavailableError, Clip, Samples
from soundseam.annotators.onnx import Session, open_session
from soundseam.annotators.speech.transcripts import speech_stretches
from soundseam.schemas.event import Branch
from soundseam.schemas.speech import Dnsmos, SpeechFacts

WINDOW_SAMPLES = 144_160
"""9.01 s at 16 kHz, the fixed input length of the models."""
_P835_FILE = "sig_bak_ovr.onnx"
_P835_SHA256 = "269fbebdb513aa23cddfbb593542ecc540284a91849ac50516870e1ac78f6edd"
_P808_FILE = "model_v8.onnx"
_P808_SHA256 = "9246480c58567bc6affd4200938e77eef49468c8bc7ed3776d109c07456f6e91"
_CALIBRATION = {
    "signal": (-0.08397278, 1.22083953, 0.0052439),
    "background": (-0.13166888, 1.60915514, -0.39604546),
    "overall": (-0.06766283, 1.11546468, 0.04602535),
}
"""Polynomials from the network's outputs to scores, highest power first, from speechmos 0.0.1.1."""


class DnsmosScores(Backend[SpeechFacts]):
    """DNSMOS P.835 and P.808 of the whole segment, including noise, if it contains speech."""

    kind: Literal["dnsmos"] = "dnsmos"

    branch: ClassVar[Branch] = Branch.SPEECH
    requires: ClassVar[tuple[str, ...]] = ("speechmos", "librosa", "onnxruntime")
    remedy: ClassVar[str] = "pip install 'soundseam[speech]'"
    licence: ClassVar[str] = "MIT"

    @property
    def model(self) -> str:
        return "dnsmos-p835-p808"

    @property
    def revision(self) -> str:
        return f"{_P835_SHA256[:12]}-{_P808_SHA256[:12]}-1"

    def load(self) -> Annotator[SpeechFacts]:
        self.check_available()
        folder = _weights_folder()
        return DnsmosAnnotator(
            open_session(folder / _P835_FILE, _P835_SHA256), open_session(folder / _P808_FILE, _P808_SHA256)
        )


class DnsmosAnnotator:
    """The annotator of `DnsmosScores`."""

    def __init__(self, p835: Session, p808: Session) -> None:
        self._p835 = p835
        self._p808 = p808

    def annotate(self, clips: Sequence[Clip]) -> Sequence[SpeechFacts]:
        return [SpeechFacts(dnsmos=self._score(clip.samples) if _has_speech(clip) else None) for clip in clips]

    def run_models(self, window: NDArray[np.float32]) -> tuple[NDArray[np.float32], float]:
        """The three raw P.835 outputs, (3,), and the P.808 score of one window (WINDOW_SAMPLES,).

        One window per call: a batch is no faster on one thread, and so an answer depends only on its clip.
        """
        p835 = self._p835.run(None, {"input_1": window[None]})[0][0]
        return p835, float(self._p808.run(None, {"input_1": _log_mel(window)[None]})[0][0, 0])

    def _score(self, samples: Samples) -> Dnsmos:
        outputs = [self.run_models(window) for window in windows_of(samples)]
        raw = np.stack([p835 for p835, _ in outputs])
        scores = {name: _mean(np.polyval(_CALIBRATION[name], raw[:, i])) for i, name in enumerate(_CALIBRATION)}
        return Dnsmos(**scores, p808=_mean(np.array([p808 for _, p808 in outputs])))


def windows_of(samples: Samples) -> NDArray[np.float32]:
    """The smallest number of evenly spaced windows that cover `samples` (num_samples,): (num_windows, WINDOW_SAMPLES).

    A shorter clip is repeated until it fills one, as in the reference; the reference uses one window per second, which
    gives nearly the same means for much more work.
    """
    if len(samples) <= WINDOW_SAMPLES:
        return np.resize(samples, WINDOW_SAMPLES)[None]
    count = -(-len(samples) // WINDOW_SAMPLES)
    starts = np.linspace(0, len(samples) - WINDOW_SAMPLES, count).astype(int)
    return np.stack([samples[start : start + WINDOW_SAMPLES] for start in starts])


def _log_mel(window: NDArray[np.float32]) -> NDArray[np.float32]:
    """The input of the P.808 model: 120 mel bands per 10 ms, in dB relative to the loudest, scaled; (900, 120)."""
    import librosa

    mel = librosa.feature.melspectrogram(y=window[:-160], sr=16_000, n_fft=321, hop_length=160, n_mels=120)
    scaled = (librosa.power_to_db(mel, ref=np.max) + 40) / 40
    return np.ascontiguousarray(scaled.T, dtype=np.float32)


def _has_speech(clip: Clip) -> bool:
    return bool(len(clip.samples) and speech_stretches(clip.segment))


def _mean(scores: NDArray[np.floating]) -> float:
    return round(float(np.mean(scores)), 3)


def _weights_folder() -> Path:
    # Located, not imported: the package's modules import requests and other packages that are not needed here.
    spec = find_spec("speechmos")
    if spec is None or not spec.submodule_search_locations:
        raise BackendUnavailableError(f"dnsmos needs speechmos: {DnsmosScores.remedy}")
    return Path(spec.submodule_search_locations[0]) / "dnsmos_models"
