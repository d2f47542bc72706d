"""Tiny models with random weights, for backends whose real ones do not come with the base install."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest

from soundseam.annotators.audio_caption import SpeechAudioCaption
from soundseam.annotators.chat.endpoint import Endpoint
from soundseam.annotators.clap import SpeechClapAgreement
from soundseam.annotators.speech.ctc_alignment import CtcAlignment
from soundseam.annotators.speech.diarization import PyannoteDiarization
from soundseam.annotators.speech.diarizen import Diarizen
from soundseam.annotators.speech.faster_whisper import FasterWhisper
from soundseam.annotators.speech.openai_audio import OpenaiAudio
from soundseam.annotators.speech.paralinguistics import ParalinguisticsByModel
from soundseam.annotators.speech.sherpa_onnx import SherpaOnnx
from soundseam.annotators.speech.transformers_asr import TransformersAsr
from tests.annotators.speech.tiny_ctc import save_ctc
from tests.support.chat_models import contract_server
from tests.support.tiny_clap import clap_folder

_WIDTH = 16
_HEADS = 2
_TEXT_TOKENS = 50_257
_LANGUAGES = 99
_VOCABULARY = 51_865


def faster_whisper(folder: Path) -> FasterWhisper:
    """A multilingual Whisper of one layer each side that hears nonsense."""
    pytest.importorskip("faster_whisper", reason="needs faster-whisper: pip install 'soundseam[speech]'")
    model = folder / "whisper-tiny-random"
    if not model.exists():
        model.mkdir(parents=True)
        _save_whisper(model)
    return FasterWhisper(weights=str(model), max_tokens=12, beam_size=2, compute_type="float32")


def english_whisper(place: Path) -> FasterWhisper:
    """The same with an English vocabulary alone, as the models have whose names end in .en."""
    pytest.importorskip("faster_whisper", reason="needs faster-whisper: pip install 'soundseam[speech]'")
    model = place / "whisper-tiny-random.en"
    if not model.exists():
        model.mkdir(parents=True)
        _save_whisper(model, multilingual=False)
    return FasterWhisper(weights=str(model), max_tokens=12, beam_size=2, compute_type="float32")


def sherpa_onnx(folder: Path) -> SherpaOnnx:
    """A CTC model of one convolution, in the form of NeMo's, that hears nonsense."""
    pytest.importorskip("sherpa_onnx", reason="needs sherpa-onnx: pip install 'soundseam[sherpa]'")
    model = folder / "sherpa-tiny-random"
    if not model.exists():
        save_ctc(model)
    return SherpaOnnx(weights=str(model))


def openai_audio(folder: Path) -> OpenaiAudio:
    """A server that hears four digits."""
    pytest.importorskip("aiohttp", reason="needs aiohttp: pip install 'soundseam[served]'")
    return OpenaiAudio(server=Endpoint(urls=(contract_server().url,), model="tiny"))


def _save_whisper(folder: Path, multilingual: bool = True) -> None:
    from ctranslate2.specs.whisper_spec import WhisperSpec

    spec = WhisperSpec(1, _HEADS, 1, _HEADS)
    draw = np.random.default_rng(0)
    _fill_norms_and_layers(spec, draw)
    spec.encoder.conv1.weight = _random(draw, _WIDTH, 80, 3)
    spec.encoder.conv2.weight = _random(draw, _WIDTH, _WIDTH, 3)
    spec.encoder.conv1.bias = spec.encoder.conv2.bias = np.zeros(_WIDTH, np.float32)
    spec.encoder.position_encodings.encodings = _random(draw, 1500, _WIDTH)
    spec.decoder.position_encodings.encodings = _random(draw, 448, _WIDTH)
    spec.decoder.embeddings.weight = spec.decoder.projection.weight = _random(draw, _VOCABULARY, _WIDTH)
    first_language = _TEXT_TOKENS + 2
    spec.config.lang_ids = list(range(first_language, first_language + _LANGUAGES))
    spec.config.suppress_ids = []
    spec.config.suppress_ids_begin = [220, _TEXT_TOKENS]
    spec.config.alignment_heads = [(0, 0)]
    # CTranslate2 takes a Whisper for multilingual where its vocabulary holds an empty token, as the real one does.
    tokens = [token or ("" if multilingual else "Ġend") for token in _tokens()]
    spec.register_vocabulary(tokens)
    spec.validate()
    spec.optimize()
    spec.save(str(folder))
    _save_tokenizer(folder, tokens)
    (folder / "preprocessor_config.json").write_text(json.dumps({"feature_size": 80}))


def _random(draw: np.random.Generator, *shape: int) -> np.ndarray:
    return draw.normal(0.0, 0.3, shape).astype(np.float32)


def _fill_norms_and_layers(spec: object, draw: np.random.Generator) -> None:
    for side in (spec.encoder, spec.decoder):  # type: ignore[attr-defined]
        _fill_norm(side.layer_norm)
        for layer in side.layer:
            attentions = [layer.self_attention, *([layer.attention] if hasattr(layer, "attention") else [])]
            for attention in attentions:
                _fill_norm(attention.layer_norm)
                widths = (3, 1) if len(attention.linear) == 2 else (1, 2, 1)
                for linear, width in zip(attention.linear, widths, strict=True):
                    _fill_linear(linear, draw, width * _WIDTH, _WIDTH)
            _fill_norm(layer.ffn.layer_norm)
            _fill_linear(layer.ffn.linear_0, draw, 4 * _WIDTH, _WIDTH)
            _fill_linear(layer.ffn.linear_1, draw, _WIDTH, 4 * _WIDTH)


def _fill_norm(norm: object) -> None:
    norm.gamma = np.ones(_WIDTH, np.float32)  # type: ignore[attr-defined]
    norm.beta = np.zeros(_WIDTH, np.float32)  # type: ignore[attr-defined]


def _fill_linear(linear: object, draw: np.random.Generator, rows: int, columns: int) -> None:
    linear.weight = _random(draw, rows, columns)  # type: ignore[attr-defined]
    linear.bias = np.zeros(rows, np.float32)  # type: ignore[attr-defined]


def _tokens() -> list[str]:
    """Bytes, invented words, and Whisper's special tokens at their own places."""
    from faster_whisper.tokenizer import _LANGUAGE_CODES

    letters = _byte_letters()
    words = [f"Ġw{number}" for number in range(_TEXT_TOKENS - len(letters) - 1)]
    tasks = ["translate", "transcribe", "startoflm", "startofprev", "nospeech", "notimestamps"]
    names = ["endoftext", "startoftranscript", *list(_LANGUAGE_CODES)[:_LANGUAGES], *tasks]
    times = [f"<|{0.02 * step:.2f}|>" for step in range(1501)]
    return [*letters, *words, "", *(f"<|{name}|>" for name in names), *times]


def _byte_letters() -> list[str]:
    from tokenizers.pre_tokenizers import ByteLevel

    return sorted(ByteLevel.alphabet())


def _save_tokenizer(folder: Path, tokens: list[str]) -> None:
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    tokenizer = Tokenizer(models.BPE(vocab={t: i for i, t in enumerate(tokens[:_TEXT_TOKENS])}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in tokens[_TEXT_TOKENS:]])
    tokenizer.save(str(folder / "tokenizer.json"))


def ctc_alignment(folder: Path) -> CtcAlignment:
    """A wav2vec 2.0 of one layer with an alphabet, that hears nothing in particular."""
    for module in ("torch", "torchaudio", "transformers"):
        pytest.importorskip(module, reason=f"needs {module}: pip install 'soundseam[models]'")
    model = folder / "ctc-tiny-random"
    if not model.exists():
        model.mkdir(parents=True)
        _save_ctc(model)
    return CtcAlignment(weights=str(model), device="cpu")


def _save_ctc(folder: Path) -> None:
    import torch
    from transformers import Wav2Vec2Config, Wav2Vec2CTCTokenizer, Wav2Vec2FeatureExtractor, Wav2Vec2ForCTC

    letters = ["<pad>", "<s>", "</s>", "<unk>", "|", "'", *"ABCDEFGHIJKLMNOPQRSTUVWXYZ"]
    (folder / "vocab.json").write_text(json.dumps({letter: index for index, letter in enumerate(letters)}))
    Wav2Vec2CTCTokenizer(str(folder / "vocab.json")).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(folder)
    torch.manual_seed(0)
    config = Wav2Vec2Config(
        vocab_size=len(letters),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        conv_dim=(16,) * 7,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2,
        pad_token_id=0,
    )
    Wav2Vec2ForCTC(config).save_pretrained(folder)


def pyannote_diarization(folder: Path) -> PyannoteDiarization:
    """A whole pipeline folder whose models and clustering are random: turns of nobody in particular."""
    for module in ("torch", "pyannote"):
        pytest.importorskip(module, reason=f"needs {module}: pip install 'soundseam[models]'")
    pipeline = folder / "diarization-tiny-random"
    if not pipeline.exists():
        _save_diarization(pipeline)
    return PyannoteDiarization(weights=str(pipeline), device="cpu")


def _save_diarization(folder: Path) -> None:
    import os

    os.environ["PYANNOTE_METRICS_ENABLED"] = "0"
    import torch
    import yaml
    from pyannote.audio.core.task import Problem, Resolution, Specifications
    from pyannote.audio.models.embedding import WeSpeakerResNet34
    from pyannote.audio.models.segmentation import PyanNet

    torch.manual_seed(0)
    segmentation = PyanNet(lstm={"hidden_size": 8, "num_layers": 1}, linear={"hidden_size": 8, "num_layers": 1})
    segmentation.specifications = Specifications(
        problem=Problem.MONO_LABEL_CLASSIFICATION,
        resolution=Resolution.FRAME,
        duration=5.0,
        classes=["one", "two"],
        powerset_max_classes=2,
        permutation_invariant=True,
    )
    segmentation.build()
    embedding = WeSpeakerResNet34(num_mel_bins=16)
    embedding.specifications = Specifications(
        problem=Problem.REPRESENTATION, resolution=Resolution.CHUNK, duration=3.0, classes=[]
    )
    embedding.build()
    _save_checkpoint(segmentation, folder / "segmentation")
    _save_checkpoint(embedding, folder / "embedding")
    _save_plda(folder / "plda")
    parts = {name: f"$model/{name}" for name in ("segmentation", "embedding", "plda")}
    config = {
        "version": "4.0.0",
        "pipeline": {
            "name": "pyannote.audio.pipelines.SpeakerDiarization",
            "params": {"clustering": "VBxClustering", "segmentation_step": 0.5, **parts},
        },
        "params": {
            "clustering": {"threshold": 0.6, "Fa": 0.07, "Fb": 0.8},
            "segmentation": {"min_duration_off": 0.0},
        },
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))


def _save_checkpoint(model: object, folder: Path) -> None:
    import pytorch_lightning
    import torch

    folder.mkdir(parents=True)
    checkpoint = {
        "state_dict": model.state_dict(),  # type: ignore[attr-defined]
        "hyper_parameters": dict(model.hparams),  # type: ignore[attr-defined]
        "pytorch-lightning_version": pytorch_lightning.__version__,
        "pyannote.audio": {
            "versions": {"torch": torch.__version__, "pyannote.audio": "4.0.0"},
            "architecture": {"module": type(model).__module__, "class": type(model).__name__},
            "specifications": model.specifications,  # type: ignore[attr-defined]
        },
    }
    torch.save(checkpoint, folder / "pytorch_model.bin")


def _save_plda(folder: Path) -> None:
    folder.mkdir(parents=True)
    draw = np.random.default_rng(0)
    lda = np.linalg.qr(draw.normal(size=(256, 128)))[0]
    np.savez(folder / "xvec_transform.npz", mean1=np.zeros(256), mean2=np.zeros(128), lda=lda)
    np.savez(folder / "plda.npz", mu=np.zeros(128), tr=np.eye(128), psi=np.linspace(3.0, 0.1, 128))


def transformers_asr(folder: Path) -> TransformersAsr:
    """The CTC model of `ctc_alignment`, asked what it hears."""
    return TransformersAsr(weights=ctc_alignment(folder).weights, device="cpu", language="en")


_STAND_IN = '''
"""As much of DiariZen as its callers see. Loud offsets stand for voices: one speaker above zero, one below."""

import itertools
import pathlib
import types

import soundfile


class DiariZenPipeline:
    def __init__(self, diarizen_hub, embedding_model, config_parse=None, rttm_out_dir=None):
        assert isinstance(diarizen_hub, pathlib.Path)
        print("Loaded configuration:", (diarizen_hub / "config.toml").read_text())
        assert pathlib.Path(embedding_model).is_file()
        self.max_speakers = 20

    @classmethod
    def from_pretrained(cls, repo_id, cache_dir=None, rttm_out_dir=None):
        raise OSError(f"no network, so no {repo_id}")

    def __call__(self, in_wav, sess_name=None):
        assert isinstance(in_wav, str)
        print("Extracting segmentations.")
        wave, rate = soundfile.read(in_wav)
        if wave.max() > 1.5:
            raise MemoryError("too loud to bear")
        tenths = [wave[i : i + rate // 10].mean() for i in range(0, len(wave) - rate // 10 + 1, rate // 10)]
        found = [types.SimpleNamespace(start=i / 10, end=(i + 1) / 10, above=mean > 0) for i, mean in enumerate(tenths)
                 if abs(mean) > 0.1]
        order = list(dict.fromkeys(turn.above for turn in found))[: self.max_speakers]
        return types.SimpleNamespace(
            itertracks=lambda yield_label: iter(
                [(turn, "_", order.index(turn.above)) for turn in found if turn.above in order])
        )
'''


def diarizen(folder: Path) -> Diarizen:
    """An environment whose diarizen is a stand-in: the real one cannot be installed beside this package."""
    package = folder / "diarizen-environment" / "diarizen" / "pipelines"
    weights = folder / "diarizen-tiny"
    python = folder / "diarizen-environment" / "python"
    if not python.exists():
        package.mkdir(parents=True)
        weights.mkdir()
        (package / "inference.py").write_text(_STAND_IN)
        (weights / "config.toml").write_text("[clustering]\n")
        (weights / "pytorch_model.bin").write_bytes(b"")
        python.write_text(f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(package.parents[1]))} exec {sys.executable} "$@"\n')
        python.chmod(0o755)
    return Diarizen(
        python=str(python),
        weights=str(weights),
        embedding=str(weights / "pytorch_model.bin"),
        allow_non_commercial=True,
    )


def clap_agreement(folder: Path) -> SpeechClapAgreement:
    return SpeechClapAgreement(weights=clap_folder(folder), device="cpu")


def audio_caption(folder: Path) -> SpeechAudioCaption:
    """A server that says what it has heard of."""
    pytest.importorskip("aiohttp", reason="needs aiohttp: pip install 'soundseam[served]'")
    return SpeechAudioCaption(server=Endpoint(urls=(contract_server().url,), model="tiny"))


def paralinguistics(folder: Path) -> ParalinguisticsByModel:
    pytest.importorskip("aiohttp", reason="needs aiohttp: pip install 'soundseam[served]'")
    return ParalinguisticsByModel(server=Endpoint(urls=(contract_server().url,), model="tiny"))
