"""Similarity of texts and audio, by a CLAP model of transformers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Generic, Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from soundseam.annotators.base import Annotator, Backend, Clip, Samples, checked_samples
from soundseam.annotators.weights import TorchWeights, cannot_open, torch_device
from soundseam.schemas.claim import CaptionSimilarity
from soundseam.schemas.event import Branch
from soundseam.schemas.general import GeneralFacts
from soundseam.schemas.music import MusicFacts
from soundseam.schemas.speech import SpeechFacts

if TYPE_CHECKING:
    from transformers import ClapModel, ClapProcessor

CLAP_RATE_HZ = 48_000
Embeddings = NDArray[np.float32]
"""(count, dimensions), each of length 1."""


class AudioTextModel(Protocol):
    """What `ClapWeights.open_clap` returns: a joint embedding of audio and text."""

    @property
    def scale(self) -> float:
        """The factor for cosines before the softmax."""
        ...

    @property
    def window(self) -> int:
        """Maximum number of samples per window: of longer audio, the feature extractor would take a random part."""
        ...

    def embed_audio(self, waves: Sequence[Samples]) -> Embeddings:
        """Embeddings of waves, 48 kHz mono, at most `window` long."""
        ...

    def embed_texts(self, texts: Sequence[str]) -> Embeddings:
        """Embeddings of texts; a long text is truncated at the model's limit."""
        ...


class ClapWeights(TorchWeights):
    """A CLAP model as data."""

    weights: str = "laion/clap-htsat-unfused"
    """A repository of the model hub, or a folder with a ClapModel and its processor."""

    licence: ClassVar[str] = "Apache-2.0"

    def open_clap(self) -> AudioTextModel:
        """Raises BackendUnavailableError, with the remedy, if the model cannot be opened."""
        from transformers import ClapModel, ClapProcessor

        try:
            net = ClapModel.from_pretrained(self.weights, revision=self.hub_revision)
            processor = ClapProcessor.from_pretrained(self.weights, revision=self.hub_revision)
        except (OSError, ValueError) as error:
            raise cannot_open(self.backend, self.weights, error) from error
        return TransformersClap(net.eval().to(torch_device(self.device)), processor)


class CaptionClap(ClapWeights):
    """The CLAP model for whole captions."""

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

    def embed_audio(self, waves: Sequence[Samples]) -> Embeddings:
        import torch

        inputs = self._processor.feature_extractor(list(waves), sampling_rate=CLAP_RATE_HZ, return_tensors="pt")
        # If none is longer than a window, the extractor of a fused model marks a random one as longer.
        inputs["is_longer"] = torch.zeros_like(torch.as_tensor(inputs["is_longer"]), dtype=torch.bool)
        with torch.inference_mode():
            return _unit(self._net.get_audio_features(**inputs.to(self._net.device)))

    def embed_texts(self, texts: Sequence[str]) -> Embeddings:
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

    Raises AnnotationError if `samples` is empty.
    """
    if not texts:
        return np.zeros(0, dtype=np.float32)
    cosines: NDArray[np.float32] = np.clip(model.embed_texts(texts) @ embed_whole(model, samples), -1.0, 1.0)
    return cosines


def embed_whole(model: AudioTextModel, samples: Samples) -> NDArray[np.float32]:
    """(dimensions,), of length 1: the mean over windows that cover `samples` evenly."""
    mean = model.embed_audio([samples[start:stop] for start, stop in windows_of(samples, model.window)]).mean(axis=0)
    unit: NDArray[np.float32] = mean / max(float(np.linalg.norm(mean)), 1e-9)
    return unit


def windows_of(samples: Samples, size: int) -> list[tuple[int, int]]:
    """The smallest number of windows of at most `size` that cover `samples`, spread evenly.

    Raises AnnotationError if `samples` is empty.
    """
    checked_samples(samples)
    count = -(-samples.size // size)
    starts = np.linspace(0, max(0, samples.size - size), count).round().astype(int)
    return [(int(start), min(int(start) + size, samples.size)) for start in starts]


def _unit(features: object) -> Embeddings:
    """Normalised features; transformers 5 wraps the tensor that version 4 returned."""
    tensor = getattr(features, "pooler_output", features)
    vectors = np.asarray(tensor.float().cpu().numpy(), dtype=np.float32)  # type: ignore[attr-defined]
    unit: Embeddings = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    return unit


NEUTRAL = ("a sound", "noise", "silence")


class LabelScorer:
    """Scores of `labels`, each inserted for {label} in `prompt`.

    A label's score is its probability against the most similar neutral text, so that labels do not compete and several
    may be present at once.
    """

    def __init__(self, model: AudioTextModel, labels: Sequence[str], prompt: str, neutral: Sequence[str]) -> None:
        self._labels = model.embed_texts([prompt.replace("{label}", label) for label in labels])
        self._neutral = model.embed_texts(neutral)
        self._scale = model.scale

    def scores(self, sounds: Embeddings) -> NDArray[np.float32]:
        """(num_sounds, num_labels) in [0, 1] of `sounds` (num_sounds, dimensions)."""
        against = (sounds @ self._neutral.T).max(axis=1, keepdims=True)
        scores: NDArray[np.float32] = 0.5 * (1.0 + np.tanh(0.5 * self._scale * (sounds @ self._labels.T - against)))
        return scores


FactsT = TypeVar("FactsT", SpeechFacts, MusicFacts, GeneralFacts)


class ClapAgreement(ClapWeights, Backend[FactsT], Generic[FactsT]):
    """Ranks the captions of earlier rows by their similarity to the audio."""

    kind: Literal["clap_agreement"] = "clap_agreement"

    sample_rate_hz: ClassVar[int | None] = CLAP_RATE_HZ
    reads_annotations: ClassVar[bool] = True
    facts: ClassVar[type[SpeechFacts] | type[MusicFacts] | type[GeneralFacts]]

    def load(self) -> Annotator[FactsT]:
        self.check_available()
        return ClapRanker(self.open_clap(), self.facts)  # type: ignore[arg-type]


class SpeechClapAgreement(ClapAgreement[SpeechFacts]):
    """Ranks the captions of earlier rows by their similarity to the audio."""

    branch: ClassVar[Branch] = Branch.SPEECH
    facts = SpeechFacts


class MusicClapAgreement(ClapAgreement[MusicFacts]):
    """Ranks the captions of earlier rows by their similarity to the audio."""

    branch: ClassVar[Branch] = Branch.MUSIC
    facts = MusicFacts


class GeneralClapAgreement(ClapAgreement[GeneralFacts]):
    """Ranks the captions of earlier rows by their similarity to the audio."""

    branch: ClassVar[Branch] = Branch.GENERAL
    facts = GeneralFacts


class ClapRanker(Generic[FactsT]):
    """The annotator of `ClapAgreement`."""

    def __init__(self, model: AudioTextModel, facts: type[FactsT]) -> None:
        self._model = model
        self._facts: type[FactsT] = facts

    def annotate(self, clips: Sequence[Clip]) -> Sequence[FactsT]:
        return [self._rank(clip) for clip in clips]

    def _rank(self, clip: Clip) -> FactsT:
        captions = [(row.backend, row.caption) for row in clip.annotations if row.caption]
        similarities = text_audio_similarity(self._model, clip.samples, [text for _, text in captions])
        found = (
            CaptionSimilarity(backend=backend, similarity=round(float(similarity), 4))
            for (backend, _), similarity in zip(captions, similarities, strict=True)
        )
        ranked = tuple(sorted(found, key=lambda one: -one.similarity))
        facts: FactsT = self._facts(clap_similarity=ranked)
        return facts
