"""How near texts lie to a sound, by a CLAP model of transformers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from annotators.base import Samples, checked_samples
from annotators.weights import NamedWeights, cannot_open, torch_device

if TYPE_CHECKING:
    from transformers import ClapModel, ClapProcessor

CLAP_RATE_HZ = 48_000
Embeddings = NDArray[np.float32]
"""(count, dimensions), each of length 1."""


class AudioTextModel(Protocol):
    """What `ClapWeights.open_clap` gives: sounds and texts in one space."""

    @property
    def scale(self) -> float:
        """By how much the model multiplies cosines before it makes probabilities of them."""
        ...

    @property
    def window(self) -> int:
        """Samples that it hears at once: of more, the feature extractor would take a part at random."""
        ...

    def hear(self, waves: Sequence[Samples]) -> Embeddings:
        """Of each wave, 48 kHz mono, at most `window` long."""
        ...

    def read(self, texts: Sequence[str]) -> Embeddings:
        """Of each text; a long one is cut off where the model stops reading."""
        ...


class ClapWeights(NamedWeights):
    """A CLAP model as data."""

    weights: str = "laion/clap-htsat-unfused"
    """A repository of the model hub, or a folder with a ClapModel and its processor."""

    licence: ClassVar[str] = "Apache-2.0"

    def open_clap(self) -> AudioTextModel:
        """Raises BackendUnavailableError, with the remedy, where the model cannot be opened."""
        from transformers import ClapModel, ClapProcessor

        try:
            net = ClapModel.from_pretrained(self.weights, revision=self.hub_revision)
            processor = ClapProcessor.from_pretrained(self.weights, revision=self.hub_revision)
        except (OSError, ValueError) as error:
            raise cannot_open(self.backend, self.weights, error) from error
        return TransformersClap(net.eval().to(torch_device(self.device)), processor)


class CaptionClap(ClapWeights):
    """The CLAP model that hears whole captions."""

    kind: Literal["clap"] = "clap"

    def load(self) -> AudioTextModel:
        self.check_available()
        return self.open_clap()


class TransformersClap:
    """Implements AudioTextModel."""

    def __init__(self, net: ClapModel, processor: ClapProcessor) -> None:
        self._net = net
        self._processor = processor

    @property
    def scale(self) -> float:
        return float(self._net.logit_scale_a.detach().exp())

    @property
    def window(self) -> int:
        return int(self._processor.feature_extractor.nb_max_samples)

    def hear(self, waves: Sequence[Samples]) -> Embeddings:
        import torch

        inputs = self._processor.feature_extractor(list(waves), sampling_rate=CLAP_RATE_HZ, return_tensors="pt")
        # Where none is longer than a window, the extractor of a fused model calls one of them so at random.
        inputs["is_longer"] = torch.zeros_like(torch.as_tensor(inputs["is_longer"]), dtype=torch.bool)
        with torch.inference_mode():
            return _unit(self._net.get_audio_features(**inputs.to(self._net.device)))

    def read(self, texts: Sequence[str]) -> Embeddings:
        import torch

        inputs = self._processor.tokenizer(
            list(texts), padding=True, truncation=True, max_length=self._longest, return_tensors="pt"
        )
        with torch.inference_mode():
            return _unit(self._net.get_text_features(**inputs.to(self._net.device)))

    @property
    def _longest(self) -> int:
        # RoBERTa counts positions from the padding token's id on.
        config = self._net.config.text_config
        return int(config.max_position_embeddings) - int(config.pad_token_id) - 1


def text_audio_similarity(model: AudioTextModel, samples: Samples, texts: Sequence[str]) -> NDArray[np.float32]:
    """Cosine, in [-1, 1], of each of `texts` and the whole of `samples`, 48 kHz mono of any length: (len(texts),).

    Raises AnnotationError where there is nothing to hear.
    """
    if not texts:
        return np.zeros(0, dtype=np.float32)
    cosines: NDArray[np.float32] = np.clip(model.read(texts) @ hear_whole(model, samples), -1.0, 1.0)
    return cosines


def hear_whole(model: AudioTextModel, samples: Samples) -> NDArray[np.float32]:
    """(dimensions,), of length 1: the mean over windows that cover `samples` evenly."""
    mean = model.hear([samples[start:stop] for start, stop in windows_of(samples, model.window)]).mean(axis=0)
    unit: NDArray[np.float32] = mean / max(float(np.linalg.norm(mean)), 1e-9)
    return unit


def windows_of(samples: Samples, size: int) -> list[tuple[int, int]]:
    """The fewest windows of at most `size` that cover `samples`, spread evenly.

    Raises AnnotationError where there is nothing to hear.
    """
    checked_samples(samples)
    count = -(-samples.size // size)
    starts = np.linspace(0, max(0, samples.size - size), count).round().astype(int)
    return [(int(start), min(int(start) + size, samples.size)) for start in starts]


def _unit(features: object) -> Embeddings:
    """transformers 5 wraps what 4 gave as a tensor."""
    tensor = getattr(features, "pooler_output", features)
    vectors = np.asarray(tensor.float().cpu().numpy(), dtype=np.float32)  # type: ignore[attr-defined]
    unit: Embeddings = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    return unit
