"""Word times of a transcript by forced alignment with any character CTC model: `ctc_alignment`."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

from soundseam.annotators.base import Annotator, Backend, Clip, Samples
from soundseam.annotators.onnx import in_halves
from soundseam.annotators.speech.alignment import aligned_facts, in_order, text_to_align
from soundseam.annotators.speech.transcripts import Excerpt, excerpt, speech_stretches, widen
from soundseam.annotators.weights import TorchWeights, cannot_open, torch_device
from soundseam.annotators.wording.normalise import plain
from soundseam.schemas.event import Branch
from soundseam.schemas.speech import SpeechFacts, Word

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

RATE_HZ = 16_000
MARGIN_MS = 200
_MAX_UNSPEAKABLE = 0.2
"""Maximum share of words without a letter in the model's vocabulary, such as digits; above it nothing is aligned."""


class CtcAlignment(TorchWeights, Backend[SpeechFacts]):
    """Word and sentence times by forced alignment with a character CTC model, such as wav2vec 2.0 or MMS."""

    kind: Literal["ctc_alignment"] = "ctc_alignment"
    weights: str = "facebook/wav2vec2-base-960h"
    """A repository of the model hub, or a folder with a CTC model and its vocabulary."""

    branch: ClassVar[Branch] = Branch.SPEECH
    reads_annotations: ClassVar[bool] = True
    requires: ClassVar[tuple[str, ...]] = ("torch", "torchaudio", "transformers")
    runs_on: ClassVar[tuple[str, ...]] = ("transformers", "torchaudio")
    licence: ClassVar[str] = "Apache-2.0"

    @property
    def model(self) -> str:
        return f"ctc-{Path(self.weights).name}"

    def load(self) -> Annotator[SpeechFacts]:
        self.check_available()
        from transformers import AutoModelForCTC, AutoTokenizer

        try:
            model = AutoModelForCTC.from_pretrained(self.weights, revision=self.hub_revision)
            tokenizer = AutoTokenizer.from_pretrained(self.weights, revision=self.hub_revision)
        except (OSError, ValueError) as error:
            raise cannot_open(self.backend, self.weights, error) from error
        letters = Letters(
            tokenizer.get_vocab(), tokenizer.pad_token_id, getattr(tokenizer, "word_delimiter_token", "|")
        )
        return CtcAligner(model.eval().to(torch_device(self.device)), letters)


class Letters:
    """The model's vocabulary, for alignment."""

    def __init__(self, ids: dict[str, int], blank: int, delimiter: str) -> None:
        self.blank = blank
        self.delimiter = ids.get(delimiter)
        self._ids = {text: index for text, index in ids.items() if len(text) == 1 and text != delimiter}
        self._upper = "A" in self._ids and "a" not in self._ids

    def ids_of(self, word: str) -> tuple[int, ...]:
        """Ids of the letters in the vocabulary; empty if there are none."""
        folded = plain(word)
        cased = folded.upper() if self._upper else folded
        return tuple(self._ids[letter] for letter in cased if letter in self._ids)


class Target(NamedTuple):
    """All letters of a text with delimiters between words, and the position of each word; None for a word without
    letters.
    """

    ids: list[int]
    ranges: list[tuple[int, int] | None]


def target_of(words: Sequence[str], letters: Letters) -> Target:
    ids: list[int] = []
    ranges: list[tuple[int, int] | None] = []
    for word in words:
        spelt = letters.ids_of(word)
        if not spelt:
            ranges.append(None)
            continue
        if ids and letters.delimiter is not None:
            ids.append(letters.delimiter)
        ranges.append((len(ids), len(ids) + len(spelt)))
        ids.extend(spelt)
    return Target(ids, ranges)


class CtcAligner:
    """The annotator of `CtcAlignment`."""

    def __init__(self, model: PreTrainedModel, letters: Letters) -> None:
        self._model = model
        self._letters = letters

    def annotate(self, clips: Sequence[Clip]) -> Sequence[SpeechFacts]:
        return in_halves(lambda some: [self._align(clip) for clip in some], clips) if clips else []

    def _align(self, clip: Clip) -> SpeechFacts:
        text = text_to_align(clip)
        stretches = speech_stretches(clip.segment)
        if text is None or not stretches:
            return SpeechFacts()
        written = text.transcript.text.split()
        target = target_of(written, self._letters)
        if not target.ids or target.ranges.count(None) > _MAX_UNSPEAKABLE * len(written):
            return SpeechFacts()
        part = excerpt(clip, widen(stretches, MARGIN_MS, clip.segment.span))
        spans = self._spans(part.samples, target.ids)
        if not spans:
            return SpeechFacts()
        words = [_word(text, place, spans, part) for text, place in zip(written, target.ranges, strict=True)]
        return aligned_facts(clip, text, in_order(_with_gaps_filled(words), clip.segment))

    def _spans(self, samples: Samples, ids: list[int]) -> list[_Span]:
        """Time (ms, in `samples`) and probability of each letter; empty if the text is too long for the audio."""
        import torch
        from torchaudio.functional import forced_align, merge_tokens

        with torch.inference_mode():
            logits = self._model(_normalised(samples).to(self._model.device)).logits
            log_probabilities = logits.float().log_softmax(dim=-1).cpu()
        frames = log_probabilities.shape[1]
        repeats = sum(first == second for first, second in pairwise(ids))
        if len(ids) + repeats > frames:
            return []
        targets = torch.tensor([ids], dtype=torch.int32)
        aligned, scores = forced_align(log_probabilities, targets, blank=self._letters.blank)
        merged = merge_tokens(aligned[0], scores[0].exp(), blank=self._letters.blank)
        frame_ms = 1000 * len(samples) / RATE_HZ / frames
        return [_Span(round(s.start * frame_ms), round(s.end * frame_ms), float(s.score)) for s in merged]


class _Span(NamedTuple):
    start_ms: int
    end_ms: int
    probability: float


def _normalised(samples: Samples) -> torch.Tensor:
    """(1, num_samples) with zero mean and unit variance, like the training data of wav2vec 2.0 models."""
    import torch

    wave = torch.from_numpy(samples.copy())
    return ((wave - wave.mean()) / torch.sqrt(wave.var(unbiased=False) + 1e-7))[None]


def _word(text: str, place: tuple[int, int] | None, spans: Sequence[_Span], part: Excerpt) -> Word | str:
    """The word with its time; only its text if it had no letters to align."""
    if place is None:
        return text
    letters = spans[place[0] : place[1]]
    start_ms = part.to_recording_ms(letters[0].start_ms)
    end_ms = part.to_recording_ms(letters[-1].end_ms, ends=True)
    probability = sum(letter.probability for letter in letters) / len(letters)
    return Word(text=text, start_ms=start_ms, end_ms=max(start_ms, end_ms), confidence=round(min(1.0, probability), 3))


def _with_gaps_filled(words: Sequence[Word | str]) -> list[Word]:
    """Words without a time get the time between their neighbours, without a confidence.

    It is enough to end at the next word: `in_order` removes the overlap with the previous one.
    """
    filled: list[Word] = []
    for index, word in enumerate(words):
        if isinstance(word, Word):
            filled.append(word)
            continue
        following = next((later.start_ms for later in words[index:] if isinstance(later, Word)), 0)
        filled.append(Word(text=word, start_ms=0 if filled else following, end_ms=following, confidence=None))
    return filled
