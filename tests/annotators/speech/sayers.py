"""Recognisers that say what a test wants: each kind with a model that answers so, behind its own adapter."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from soundseam.annotators.base import Annotator
from soundseam.annotators.chat.endpoint import Endpoint
from soundseam.annotators.speech.openai_audio import OpenaiAudio
from soundseam.annotators.speech.pocketsphinx import PocketsphinxAnnotator
from soundseam.annotators.speech.sherpa_models import SherpaModel
from soundseam.annotators.speech.sherpa_onnx import SherpaAnnotator, SherpaOnnx
from soundseam.annotators.speech.transformers_asr import TransformersAnnotator, TransformersAsr
from soundseam.schemas.speech import SpeechFacts, Transcript
from tests.annotators.speech.builders import a_clip, silence, syllables
from tests.annotators.speech.tiny import faster_whisper
from tests.support.chat_server import Asked, ChatServer, Token, Told

Recogniser = Annotator[SpeechFacts]


@contextmanager
def _pocketsphinx(text: str, _: Path) -> Iterator[Recogniser]:
    """A decoder that finds the words of `text`, 100 ms each."""
    segments = [
        SimpleNamespace(word=word, start_frame=10 * i, end_frame=10 * i + 9, prob=0.9)
        for i, word in enumerate(text.split())
    ]
    nothing = lambda *_, **__: None  # noqa: E731
    decoder = SimpleNamespace(
        reinit_feat=nothing,
        start_utt=nothing,
        process_raw=nothing,
        end_utt=nothing,
        hyp=lambda: text or None,
        seg=lambda: iter(segments),
    )
    yield PocketsphinxAnnotator(decoder, trust_single_system=True)


@contextmanager
def _transformers_asr(text: str, _: Path) -> Iterator[Recogniser]:
    yield TransformersAnnotator(
        TransformersAsr(trust_single_system=True), lambda waves: [{"text": text} for _ in waves]
    )


@contextmanager
def _sherpa_onnx(text: str, _: Path) -> Iterator[Recogniser]:
    """A model of sherpa-onnx that finds the words of `text`, 100 ms each."""
    words = text.split()
    answer = SimpleNamespace(
        text=text,
        tokens=[f"▁{word}" for word in words],
        timestamps=[0.1 * i for i in range(len(words))],
        durations=[],
        ys_log_probs=[],
        lang="",
    )
    stream = SimpleNamespace(accept_waveform=lambda *_: None, result=answer)
    model = SimpleNamespace(create_stream=lambda: stream, decode_streams=lambda _: None)
    yield SherpaAnnotator(SherpaOnnx(trust_single_system=True), SherpaModel("EncDecCTCModel", {}, {}), model)


class _Says:
    """A served model that answers everything with `text`, however long."""

    def __init__(self, text: str) -> None:
        self._text = text

    def answer(self, _: Asked) -> Told:
        return Told([Token(self._text, 0.0)])


@contextmanager
def _openai_audio(text: str, _: Path) -> Iterator[Recogniser]:
    with ChatServer(_Says(text)) as server:
        endpoint = Endpoint(urls=(server.url,), model="tiny")
        yield OpenaiAudio(server=endpoint, trust_single_system=True).load()


@contextmanager
def _faster_whisper(text: str, folder: Path) -> Iterator[Recogniser]:
    """The tiny Whisper, whose first token for silence is spelt `text`, and whose others are spelt as nothing."""
    tiny = faster_whisper(folder)
    model = folder / "whisper-that-says"
    shutil.rmtree(model, ignore_errors=True)
    shutil.copytree(tiny.weights, model)
    tokenizer = json.loads((model / "tokenizer.json").read_text())
    vocabulary = tokenizer["model"]["vocab"]
    spelt = _first_tokens(tiny.load())
    for token, spelling in zip(spelt, [_as_bytes(f"  {text}"), *("Ġ" * n for n in range(3, 99))], strict=False):
        vocabulary[spelling] = vocabulary.pop(token)
    (model / "tokenizer.json").write_text(json.dumps(tokenizer))
    yield tiny.model_copy(update={"weights": str(model), "trust_single_system": True}).load()


def _first_tokens(annotator: Recogniser) -> list[str]:
    (facts,) = annotator.annotate([a_clip(silence(2_000), (0, 2_000))])
    assert facts.transcript is not None
    return [f"Ġ{word}" for word in dict.fromkeys(facts.transcript.text.split())]


def _as_bytes(text: str) -> str:
    from tokenizers.pre_tokenizers import ByteLevel

    return "".join(piece for piece, _ in ByteLevel(add_prefix_space=False).pre_tokenize_str(text))


SAYERS: dict[str, Callable[..., object]] = {
    "pocketsphinx": _pocketsphinx,
    "faster_whisper": _faster_whisper,
    "sherpa_onnx": _sherpa_onnx,
    "transformers_asr": _transformers_asr,
    "openai_audio": _openai_audio,
}


def said_by(kind: str, text: str, folder: Path) -> Transcript:
    """The transcript of `kind` where its model says `text`; rises as the recogniser does."""
    samples = silence(2_000) if kind == "faster_whisper" else syllables(10)
    with SAYERS[kind](text, folder) as recogniser:  # type: ignore[attr-defined]
        (facts,) = recogniser.annotate([a_clip(samples, (0, 2_000))])
    assert facts.transcript is not None
    transcript: Transcript = facts.transcript
    return transcript


every_recogniser = pytest.mark.parametrize("kind", SAYERS)
