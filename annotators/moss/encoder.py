"""The encoder: mel frames to one vector each 80 ms, and what DeepStack takes from layers in between.

After `MossAudioEncoder` in
https://github.com/OpenMOSS/MOSS-Audio/blob/2c9984ba42f5d51c505546c97239983b09e5ebf4/src/modeling_moss_audio.py;
chunks after the class of that name in
https://github.com/vllm-project/vllm/blob/v0.33.0/vllm/model_executor/models/moss_audio.py.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from annotators.moss.audio_tokens import tokens_of
from annotators.moss.config import AudioConfig
from annotators.moss.layers import Layers

if TYPE_CHECKING:
    from torch import Tensor

_LONGEST_WAVE = 10_000.0
"""Of the sinusoidal positions."""


class Encoder:
    """Whisper's layers behind three convolutions of stride 2."""

    def __init__(self, config: AudioConfig, layers: Layers) -> None:
        self._config = config
        self._layers = layers

    def encode(self, mel: Tensor, taps: tuple[int, ...], chunked: bool) -> list[Tensor]:
        """The last output (num_tokens, d_model), and before it that of each layer in `taps`, in their order.

        `mel` is (num_mels, num_frames). `chunked` encodes 4 s at a time, each as if it were all there is, as vLLM does;
        without it every frame attends to the whole clip, as in the reference. Up to 4 s both are the same.
        """
        import torch

        num_frames = mel.shape[1]
        step = self._config.chunk_frames if chunked else num_frames
        lengths = [min(step, num_frames - start) for start in range(0, num_frames, step)]
        padded = torch.nn.functional.pad(mel, (0, lengths[0] * len(lengths) - num_frames))
        chunks = padded.unflatten(1, (len(lengths), lengths[0])).transpose(0, 1)
        kept = torch.tensor([tokens_of(length) for length in lengths], device=mel.device)
        hears = torch.arange(tokens_of(lengths[0]), device=mel.device) < kept[:, None]
        return [output[hears] for output in self._run(chunks, hears, taps)]

    def _run(self, chunks: Tensor, hears: Tensor, taps: tuple[int, ...]) -> list[Tensor]:
        """Outputs (num_chunks, most_tokens, d_model); `hears` (num_chunks, most_tokens) is False on padding."""
        layers, config = self._layers, self._config
        x = chunks.unsqueeze(1)
        for name in ("conv1", "conv2", "conv3"):
            x = layers.halving(f"audio_encoder.{name}", x)
        x = layers.linear("audio_encoder.stem_proj", x.permute(0, 3, 1, 2).flatten(2))
        x = x + self._positions(x)
        tapped: dict[int, Tensor] = {}
        for index in range(config.encoder_layers):
            x = self._layer(f"audio_encoder.layers.{index}", x, hears)
            if index in taps:
                tapped[index] = self._project(x)
        x = self._project(layers.layer_norm("audio_encoder.layer_norm", x, config.layer_norm_eps))
        return [*(tapped[index] for index in taps), x]

    def _layer(self, name: str, x: Tensor, hears: Tensor) -> Tensor:
        layers, epsilon = self._layers, self._config.layer_norm_eps
        heads = self._config.encoder_attention_heads
        attention = f"{name}.self_attn"
        inner = layers.layer_norm(f"{name}.self_attn_layer_norm", x, epsilon)
        query, key, value = (
            layers.linear(f"{attention}.{part}", inner).unflatten(-1, (heads, -1)).transpose(1, 2)
            for part in ("q_proj", "k_proj", "v_proj")
        )
        heard = layers.attend(query, key, value, hears[:, None, None, :]).transpose(1, 2).flatten(2)
        x = x + layers.linear(f"{attention}.out_proj", heard)
        inner = layers.layer_norm(f"{name}.final_layer_norm", x, epsilon)
        return x + layers.linear(f"{name}.fc2", layers.gelu(layers.linear(f"{name}.fc1", inner)))

    def _project(self, x: Tensor) -> Tensor:
        """To the width that the adapter takes, where it is another than the encoder's own."""
        name = "audio_encoder.out_proj"
        return self._layers.linear(name, x) if self._layers.has(name) else x

    def _positions(self, x: Tensor) -> Tensor:
        """Sines, then cosines, of wave lengths from 2π to 2π · 10,000 tokens."""
        import torch

        waves = self._config.d_model // 2
        rates = torch.exp(torch.arange(waves, device=x.device) * (-math.log(_LONGEST_WAVE) / (waves - 1)))
        angles = torch.arange(x.shape[1], device=x.device)[:, None] * rates
        return torch.cat((angles.sin(), angles.cos()), dim=1)
