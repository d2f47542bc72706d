"""The network: a small 2-D front end over the spectrogram, a wide look around at a coarse rate, a fine decision."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from soundseam.annotators.detection.features import MELS

COARSE = 4
"""Frames of 32 ms in one step of the wide look."""
WIDTH = 64
WIDE = 72
DILATIONS = (1, 2, 4, 8, 16, 32, 1, 2)
FRONT = ((2, 16, (2, 2)), (16, 24, (1, 2)), (24, 32, (1, 2)))
"""Input and output channels and (time, frequency) stride of the front end's layers."""


def reach_frames() -> int:
    """How many 32 ms frames on either side an output depends on, its coarse step's alignment included."""
    return len(FRONT) + 2 + COARSE * (sum(DILATIONS) + 1) + 2


class Residual(nn.Module):
    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.convolve = nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation, bias=False)
        self.norm = nn.BatchNorm1d(width)
        self.drop = nn.Dropout(0.1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.drop(torch.relu(self.norm(self.convolve(x))))


class EventNet(nn.Module):
    """Logits (batch, 3, frames) of speech, music and other sound.

    Takes (batch, 2, 2 * frames, MELS) log-mel and contrast, and (batch, frames) Silero's probabilities; `frames` is a
    multiple of COARSE.
    """

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        bands = MELS
        for inputs, outputs, stride in FRONT:
            layers += [
                nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
                nn.BatchNorm2d(outputs),
                nn.ReLU(),
            ]
            bands = (bands + 1) // 2
        self.front = nn.Sequential(*layers)
        self.gather = nn.Sequential(
            nn.Conv1d(outputs * bands + 1, WIDTH, 1, bias=False), nn.BatchNorm1d(WIDTH), nn.ReLU()
        )
        self.fine = nn.Sequential(Residual(WIDTH, 1), Residual(WIDTH, 2))
        self.widen = nn.Sequential(nn.Conv1d(2 * WIDTH, WIDE, 1, bias=False), nn.BatchNorm1d(WIDE), nn.ReLU())
        self.wide = nn.Sequential(*(Residual(WIDE, dilation) for dilation in DILATIONS))
        self.join = nn.Sequential(nn.Conv1d(WIDTH + WIDE, WIDTH, 1, bias=False), nn.BatchNorm1d(WIDTH), nn.ReLU())
        self.decide = nn.Sequential(Residual(WIDTH, 1), nn.Conv1d(WIDTH, 3, 1))

    def forward(self, spectrum: Tensor, speech: Tensor) -> Tensor:
        return self.judge(self.see(spectrum), speech)

    def see(self, spectrum: Tensor) -> Tensor:
        """What the front end makes of the spectrogram: (batch, channels * bands, frames)."""
        # Log powers lie in [-9, 1]; the scale brings both inputs near unit variance.
        scale = torch.tensor([0.5, 1.0], dtype=spectrum.dtype).view(1, 2, 1, 1)
        shift = torch.tensor([5.5, -0.8], dtype=spectrum.dtype).view(1, 2, 1, 1)
        seen: Tensor = self.front((spectrum + shift) * scale)
        return seen.permute(0, 1, 3, 2).flatten(1, 2)

    def judge(self, flat: Tensor, speech: Tensor) -> Tensor:
        """Logits of what `see` returned, and Silero's probabilities."""
        fine = self.fine(self.gather(torch.cat((flat, speech.unsqueeze(1)), dim=1)))
        coarse = torch.cat((torch.max_pool1d(fine, COARSE), torch.nn.functional.avg_pool1d(fine, COARSE)), dim=1)
        wide = self.wide(self.widen(coarse))
        spread = wide.repeat_interleave(COARSE, dim=2)
        logits: Tensor = self.decide(self.join(torch.cat((fine, spread), dim=1)))
        return logits


def start_from(net: EventNet, path: Path) -> None:
    """Gives `net` an exported net's weights; its batch norms, folded there, become a scale of 1 and a shift."""
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(str(path)).graph
    weights = {tensor.name: torch.from_numpy(numpy_helper.to_array(tensor).copy()) for tensor in graph.initializer}
    exported = [node for node in graph.node if node.op_type == "Conv"]
    layers = [layer for layer in net.modules() if isinstance(layer, (nn.Conv1d, nn.Conv2d))]
    norms = [layer for layer in net.modules() if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d))]
    with torch.no_grad():
        for norm in norms:
            norm.running_mean.zero_()
            norm.running_var.fill_(1.0 - norm.eps)
        for layer, node in zip(layers, exported, strict=True):
            layer.weight.copy_(weights[node.input[1]])
            shift = layer.bias if layer.bias is not None else norms.pop(0).bias
            shift.copy_(weights[node.input[2]])
