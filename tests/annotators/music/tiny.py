"""Tiny models with random weights, of the interface that each backend expects. They skip without their library."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from soundseam.annotators.audio_caption import MusicAudioCaption
from soundseam.annotators.chat.endpoint import Endpoint
from soundseam.annotators.clap import MusicClapAgreement
from soundseam.annotators.music.basic_pitch import WINDOW, BasicPitch
from soundseam.annotators.music.beat_this import BeatThis
from soundseam.annotators.music.clap_tags import MusicClapTags
from soundseam.annotators.music.description import DescribeMusic
from soundseam.annotators.music.lyrics import LyricsTranscript
from soundseam.annotators.music.songformer import SongFormer
from soundseam.annotators.music.tags import Tags
from tests.annotators.detection.tiny import ast
from tests.annotators.speech.tiny import transformers_asr
from tests.support.chat_models import contract_server
from tests.support.tiny_clap import clap_folder

FRAMES, KEYS = 172, 88


def basic_pitch(folder: Path) -> BasicPitch:
    """Each frame's 254 samples alone: keys by random weights, onsets equal to notes."""
    onnx = pytest.importorskip("onnx", reason="the tiny model is made with onnx")
    from onnx import TensorProto, helper, numpy_helper

    per_frame = WINDOW // FRAMES
    weights = np.random.default_rng(0).normal(0, 1.0, (per_frame, KEYS)).astype(np.float32)
    nodes = [
        helper.make_node("Slice", ["audio", "zero", "whole", "axis"], ["cut"]),
        helper.make_node("Reshape", ["cut", "shape"], ["frames"]),
        helper.make_node("MatMul", ["frames", "weights"], ["sums"]),
        helper.make_node("Sigmoid", ["sums"], ["StatefulPartitionedCall:1"]),
        helper.make_node("Sigmoid", ["sums"], ["StatefulPartitionedCall:2"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("audio", TensorProto.FLOAT, ["batch", WINDOW, 1])],
        [
            helper.make_tensor_value_info(f"StatefulPartitionedCall:{kind}", TensorProto.FLOAT, ["batch", FRAMES, KEYS])
            for kind in (1, 2)
        ],
        [
            numpy_helper.from_array(weights, "weights"),
            numpy_helper.from_array(np.array([0], dtype=np.int64), "zero"),
            numpy_helper.from_array(np.array([per_frame * FRAMES], dtype=np.int64), "whole"),
            numpy_helper.from_array(np.array([1], dtype=np.int64), "axis"),
            numpy_helper.from_array(np.array([0, FRAMES, per_frame], dtype=np.int64), "shape"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(folder / "nmp.onnx"))
    return BasicPitch(weights=str(folder / "nmp.onnx"))


def beat_this(folder: Path) -> BeatThis:
    """The authors' architecture, one layer deep, as one of their checkpoints."""
    for module in ("torch", "beat_this"):
        pytest.importorskip(module, reason=f"needs {module}: pip install 'soundseam[models]'")
    checkpoint = folder / "tiny.ckpt"
    if not checkpoint.exists():
        import torch
        from beat_this.model.beat_tracker import BeatThis as Net

        sizes = {"transformer_dim": 16, "ff_mult": 1, "n_layers": 1, "head_dim": 8, "stem_dim": 8}
        torch.manual_seed(0)
        weights = {f"model.{name}": value for name, value in Net(**sizes).state_dict().items()}
        # Fresh weights hardly move: without this no frame would stand out as a beat.
        weights["model.task_heads.beat_downbeat_lin.weight"] *= 100
        folder.mkdir(parents=True, exist_ok=True)
        torch.save({"hyper_parameters": {**sizes, "lr": 1e-3}, "state_dict": weights}, checkpoint)
    return BeatThis(weights=str(checkpoint), device="cpu")


def songformer(folder: Path) -> SongFormer:
    """An exported model: loudness of every 120 ms alone, by random weights, as boundaries and four functions."""
    onnx = pytest.importorskip("onnx", reason="the tiny model is made with onnx")
    from onnx import TensorProto, helper, numpy_helper

    frame = 2_880
    weights = np.random.default_rng(0).normal(0, 1.0, (frame, 5)).astype(np.float32)
    nodes = [
        helper.make_node("Reshape", ["audio", "shape"], ["frames"]),
        helper.make_node("MatMul", ["frames", "weights"], ["sums"]),
        helper.make_node("Split", ["sums", "sizes"], ["boundary", "function"], axis=2),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("audio", TensorProto.FLOAT, [1, "samples"])],
        [
            helper.make_tensor_value_info("boundary", TensorProto.FLOAT, [1, "frames", 1]),
            helper.make_tensor_value_info("function", TensorProto.FLOAT, [1, "frames", 4]),
        ],
        [
            numpy_helper.from_array(weights, "weights"),
            numpy_helper.from_array(np.array([1, -1, frame], dtype=np.int64), "shape"),
            numpy_helper.from_array(np.array([1, 4], dtype=np.int64), "sizes"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(folder / "structure.onnx"))
    (folder / "functions.txt").write_text("intro\nverse\nchorus\noutro\n")
    return SongFormer(weights=str(folder / "structure.onnx"), labels=str(folder / "functions.txt"))


def tags(folder: Path) -> Tags:
    """The spectrogram transformer of the detectors' tests, asked for genres."""
    return Tags(weights=ast(folder).weights, device="cpu", min_score=0.0, window_s=1.0)


def clap_tags(folder: Path) -> MusicClapTags:
    return MusicClapTags(weights=clap_folder(folder), device="cpu")


def lyrics(folder: Path) -> LyricsTranscript:
    """Hears words in all music, sung or not."""
    return LyricsTranscript(recogniser=transformers_asr(folder), min_singing_share=0.0)


def clap_agreement(folder: Path) -> MusicClapAgreement:
    return MusicClapAgreement(weights=clap_folder(folder), device="cpu")


def music_description(folder: Path) -> DescribeMusic:
    return DescribeMusic(server=Endpoint(urls=(contract_server().url,), model="tiny"))


def audio_caption(folder: Path) -> MusicAudioCaption:
    """A server that says what it has heard of."""
    pytest.importorskip("aiohttp", reason="needs aiohttp: pip install 'soundseam[served]'")
    return MusicAudioCaption(server=Endpoint(urls=(contract_server().url,), model="tiny"))
