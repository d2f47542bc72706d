"""Tiny models with random weights, of the interface that each detector expects. They skip without their library."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from soundseam.annotators.detection.activity import Windowing
from soundseam.annotators.detection.ast import Ast
from soundseam.annotators.detection.frame_sed import FrameSed
from soundseam.annotators.detection.label_table import carried_table
from soundseam.annotators.detection.pretrained_sed import PretrainedSed
from soundseam.annotators.detection.pyannote_segmentation import PyannoteSegmentation
from tests.annotators.speech.tiny import pyannote_diarization

FRAME_SAMPLES = 640
LABELS = tuple(sorted(carried_table()))[:40]


def frame_sed(folder: Path) -> FrameSed:
    """A tagger as ONNX: every 40 ms alone, loudness by random weights."""
    onnx = pytest.importorskip("onnx", reason="the tiny tagger is made with onnx")
    from onnx import TensorProto, helper, numpy_helper

    weights = np.random.default_rng(0).normal(0, 0.5, (FRAME_SAMPLES, len(LABELS))).astype(np.float32)
    shape = np.array([0, -1, FRAME_SAMPLES], dtype=np.int64)
    nodes = [
        helper.make_node("Reshape", ["audio", "shape"], ["frames"]),
        helper.make_node("Abs", ["frames"], ["loud"]),
        helper.make_node("MatMul", ["loud", "weights"], ["above"]),
        helper.make_node("Sub", ["above", "quiet"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("audio", TensorProto.FLOAT, ["batch", "samples"])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", "frames", len(LABELS)])],
        [
            numpy_helper.from_array(weights, "weights"),
            numpy_helper.from_array(shape, "shape"),
            numpy_helper.from_array(np.float32(3.0), "quiet"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(folder / "tiny.onnx"))
    (folder / "labels.txt").write_text("\n".join(LABELS))
    return FrameSed(weights=str(folder / "tiny.onnx"), labels=str(folder / "labels.txt"))


def ast(folder: Path) -> Ast:
    """A spectrogram transformer of one layer with AudioSet names."""
    pytest.importorskip("torch", reason="the tiny transformer needs torch")
    pytest.importorskip("transformers", reason="the tiny transformer needs transformers")
    import torch
    from transformers import ASTConfig, ASTFeatureExtractor, ASTForAudioClassification

    torch.manual_seed(0)
    names = ["Speech", "Music", "Dog", "Silence"]
    config = ASTConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        max_length=256, num_mel_bins=32,
        id2label=dict(enumerate(names)), label2id={name: index for index, name in enumerate(names)},
    )  # fmt: skip
    ASTForAudioClassification(config).save_pretrained(folder / "ast")
    ASTFeatureExtractor(num_mel_bins=32, max_length=256).save_pretrained(folder / "ast")
    return Ast(weights=str(folder / "ast"), windowing=Windowing(window_ms=1_000, step_ms=500, hop_ms=100))


def pretrained_sed(folder: Path) -> PretrainedSed:
    """A clone with the modules, classes and calls of PretrainedSED, and a random net of one layer in it."""
    torch = pytest.importorskip("torch", reason="PretrainedSED needs torch")
    clone = folder / "PretrainedSED"
    for name in ("models/frame_mn", "data_util", "resources"):
        (clone / name).mkdir(parents=True, exist_ok=True)
    (clone / "config.py").write_text('RESOURCES_FOLDER = "resources"\n')
    (clone / "data_util" / "audioset_classes.py").write_text(f"as_strong_train_classes = {list(LABELS)!r}\n")
    (clone / "models" / "frame_mn" / "utils.py").write_text("def NAME_TO_WIDTH(name):\n    return 0.6\n")
    (clone / "models" / "frame_mn" / "Frame_MN_wrapper.py").write_text(_WRAPPER)
    (clone / "models" / "prediction_wrapper.py").write_text(_PREDICTIONS)
    torch.manual_seed(0)
    torch.save({"weight": torch.randn(len(LABELS), 8)}, clone / "resources" / "frame_mn06_strong_1.pt")
    return PretrainedSed(clone=str(clone), architecture="frame_mn06")


def pyannote_segmentation(folder: Path) -> PyannoteSegmentation:
    """The segmentation model of the tiny diarization pipeline."""
    pipeline = Path(pyannote_diarization(folder).weights)
    return PyannoteSegmentation(weights=str(pipeline / "segmentation"))


_WRAPPER = """
import torch
class FrameMNWrapper(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.register_buffer("frame_mn.features.16.1.bias".replace(".", "_"), torch.zeros(8))
    def state_dict(self, *args, **kwargs):
        return {"frame_mn.features.16.1.bias": torch.zeros(8)}
    def mel_forward(self, audio):
        return audio.view(len(audio), 250, 8, 80).abs().mean(3)
    def forward(self, mel):
        return mel
"""
_PREDICTIONS = """
import os, torch
from config import RESOURCES_FOLDER
class PredictionsWrapper(torch.nn.Module):
    def __init__(self, base, checkpoint=None, embed_dim=768):
        super().__init__()
        self.model = base
        assert embed_dim == 8
        self.weight = torch.load(os.path.join(RESOURCES_FOLDER, checkpoint + ".pt"))["weight"]
    def mel_forward(self, audio):
        return self.model.mel_forward(audio)
    def forward(self, mel):
        strong = self.model(mel) @ self.weight.T
        return strong.transpose(1, 2), strong.mean(1)
"""
