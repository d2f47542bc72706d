"""The decoder: a Qwen3 whose first layers get DeepStack's features from the encoder.

After `Qwen3Model` of transformers
(https://github.com/huggingface/transformers/blob/v4.57.1/src/transformers/models/qwen3/modeling_qwen3.py) and the hooks
of `MossAudioModel` in
https://github.com/OpenMOSS/MOSS-Audio/blob/2c9984ba42f5d51c505546c97239983b09e5ebf4/src/modeling_moss_audio.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from soundseam.annotators.base import Samples
from soundseam.annotators.moss.checkpoint import AudioConfig, AudioTokens, LanguageConfig
from soundseam.annotators.spectra import frames_of, hann, power_spectra

if TYPE_CHECKING:
    from torch import Tensor

    from soundseam.annotators.moss.checkpoint import Weights


class Layers:
    """Each method applies the layer called `name` in the checkpoint to the last axis of `x`."""

    def __init__(self, weights: Weights) -> None:
        from torch.nn import functional

        self._weights = weights
        self._functional = functional

    def has(self, name: str) -> bool:
        return f"{name}.weight" in self._weights

    def linear(self, name: str, x: Tensor) -> Tensor:
        return self._functional.linear(x, self._weights[f"{name}.weight"], self._weights.get(f"{name}.bias"))

    def embed(self, name: str, token_ids: Tensor) -> Tensor:
        return self._functional.embedding(token_ids, self._weights[f"{name}.weight"])

    def layer_norm(self, name: str, x: Tensor, epsilon: float) -> Tensor:
        weight, bias = self._weights[f"{name}.weight"], self._weights[f"{name}.bias"]
        return self._functional.layer_norm(x, weight.shape, weight, bias, epsilon)

    def rms_norm(self, name: str, x: Tensor, epsilon: float) -> Tensor:
        return x * (x.square().mean(-1, keepdim=True) + epsilon).rsqrt() * self._weights[f"{name}.weight"]

    def gated(self, name: str, x: Tensor) -> Tensor:
        """A gated feed-forward part: the decoder's, the adapter's and DeepStack's."""
        gate = self._functional.silu(self.linear(f"{name}.gate_proj", x))
        return self.linear(f"{name}.down_proj", gate * self.linear(f"{name}.up_proj", x))

    def gelu(self, x: Tensor) -> Tensor:
        return self._functional.gelu(x)

    def halving(self, name: str, x: Tensor) -> Tensor:
        """A convolution (batch, channels, height, width) that halves height and width, rounding up."""
        weight, bias = self._weights[f"{name}.weight"], self._weights[f"{name}.bias"]
        return self.gelu(self._functional.conv2d(x, weight, bias, stride=2, padding=1))

    def attend(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
        """Attention over (batch, heads, length, head_dim); without a mask, it is causal.

        Fewer heads of `key` and `value` are shared evenly among those of `query`.
        """
        shared = query.shape[1] // key.shape[1]
        return self._functional.scaled_dot_product_attention(
            query,
            key.repeat_interleave(shared, dim=1),
            value.repeat_interleave(shared, dim=1),
            attn_mask=mask,
            is_causal=mask is None,
        )


SAMPLE_RATE_HZ = 16_000
HOP_SAMPLES = 160
"""10 ms: 100 frames per second."""
WINDOW_SAMPLES = 400
SHORTEST_SAMPLES = 201
"""Half a window and one more: the minimum for mirroring the edges."""


def log_mel(samples: Samples, num_mels: int = 128) -> NDArray[np.float32]:
    """Frames (num_mels, num_samples // 160) of 16 kHz mono `samples` (num_samples,), about -1 to 1.5.

    Whisper's: Slaney's mel filters over the power of a periodic Hann window, log10, no more than 8 below the loudest
    value of the clip, shifted and scaled by 4. The reference calls `WhisperFeatureExtractor._np_extract_fbank_features`
    (https://github.com/huggingface/transformers/blob/v4.57.1/src/transformers/models/whisper/feature_extraction_whisper.py).
    The reference rounds the frames to bfloat16 whatever the weights are; vLLM does not, and this does not either.

    Raises ValueError under 201 samples, which are too few for a frame.
    """
    if samples.ndim != 1 or len(samples) < SHORTEST_SAMPLES:
        raise ValueError(f"audio of shape {samples.shape} has no mel frame: it needs {SHORTEST_SAMPLES} mono samples")
    edged = np.pad(samples.astype(np.float64), WINDOW_SAMPLES // 2, mode="reflect")
    power = power_spectra(frames_of(edged, WINDOW_SAMPLES, HOP_SAMPLES), hann(WINDOW_SAMPLES))
    logarithms = np.log10(np.maximum(_filters(num_mels) @ power.T, 1e-10))[:, :-1]
    frames: NDArray[np.float32] = ((np.maximum(logarithms, logarithms.max() - 8.0) + 4.0) / 4.0).astype(np.float32)
    return frames


@cache
def _filters(num_mels: int) -> NDArray[np.float64]:
    import librosa

    filters: NDArray[np.float64] = librosa.filters.mel(
        sr=SAMPLE_RATE_HZ, n_fft=WINDOW_SAMPLES, n_mels=num_mels, dtype=np.float64
    )
    return filters


TOKENS_PER_MARK = 25
"""12.5 tokens per second, one marker every 2 s."""
SECONDS_PER_MARK = 2
DIGIT_ZERO_ID = 15
"""Qwen's tokens of the digits are 15 to 24; the reference writes markers with these, whatever the tokenizer."""


def tokens_of(num_frames: int) -> int:
    """Encoder outputs for `num_frames` mel frames: three convolutions, each of stride 2, round up."""
    return (num_frames + 7) // 8


def audio_token_ids(num_tokens: int, tokens: AudioTokens, time_markers: bool = True) -> list[int]:
    """The ids between the start and the end of a clip, as in 25 times audio, 2, 25 times audio, 4 and so on.

    Like `MossAudioProcessor._build_audio_tokens_with_time_markers` in the reference: a marker follows each full 2 s
    that the tokens cover.
    """
    if not time_markers:
        return [tokens.audio_token_id] * num_tokens
    ids: list[int] = []
    for mark in range(num_tokens // TOKENS_PER_MARK):
        seconds = (mark + 1) * SECONDS_PER_MARK
        ids += [tokens.audio_token_id] * TOKENS_PER_MARK
        ids += [DIGIT_ZERO_ID + int(digit) for digit in str(seconds)]
    return ids + [tokens.audio_token_id] * (num_tokens % TOKENS_PER_MARK)


_LONGEST_WAVE = 10_000.0
"""Of the sinusoidal positions."""


class Encoder:
    """Whisper's layers behind three convolutions of stride 2."""

    def __init__(self, config: AudioConfig, layers: Layers) -> None:
        self._config = config
        self._layers = layers

    def encode(self, mel: Tensor, taps: tuple[int, ...], chunked: bool) -> list[Tensor]:
        """The outputs of the layers in `taps`, in order, and then the last output (num_tokens, d_model).

        `mel` is (num_mels, num_frames). `chunked` encodes independent pieces of 4 s, as vLLM does; without it every
        frame attends to the whole clip, as in the reference. Up to 4 s both are the same.
        """
        import torch

        num_frames = mel.shape[1]
        step = self._config.chunk_frames if chunked else num_frames
        lengths = [min(step, num_frames - start) for start in range(0, num_frames, step)]
        padded = torch.nn.functional.pad(mel, (0, lengths[0] * len(lengths) - num_frames))
        chunks = padded.unflatten(1, (len(lengths), lengths[0])).transpose(0, 1)
        num_tokens = torch.tensor([tokens_of(length) for length in lengths], device=mel.device)
        mask = torch.arange(tokens_of(lengths[0]), device=mel.device) < num_tokens[:, None]
        return [output[mask] for output in self._run(chunks, mask, taps)]

    def _run(self, chunks: Tensor, mask: Tensor, taps: tuple[int, ...]) -> list[Tensor]:
        """Outputs (num_chunks, max_tokens, d_model); `mask` (num_chunks, max_tokens) is False on padding."""
        layers, config = self._layers, self._config
        x = chunks.unsqueeze(1)
        for name in ("conv1", "conv2", "conv3"):
            x = layers.halving(f"audio_encoder.{name}", x)
        x = layers.linear("audio_encoder.stem_proj", x.permute(0, 3, 1, 2).flatten(2))
        x = x + self._positions(x)
        tapped: dict[int, Tensor] = {}
        for index in range(config.encoder_layers):
            x = self._layer(f"audio_encoder.layers.{index}", x, mask)
            if index in taps:
                tapped[index] = self._project(x)
        x = self._project(layers.layer_norm("audio_encoder.layer_norm", x, config.layer_norm_eps))
        return [*(tapped[index] for index in taps), x]

    def _layer(self, name: str, x: Tensor, mask: Tensor) -> Tensor:
        layers, epsilon = self._layers, self._config.layer_norm_eps
        heads = self._config.encoder_attention_heads
        attention = f"{name}.self_attn"
        inner = layers.layer_norm(f"{name}.self_attn_layer_norm", x, epsilon)
        query, key, value = (
            layers.linear(f"{attention}.{part}", inner).unflatten(-1, (heads, -1)).transpose(1, 2)
            for part in ("q_proj", "k_proj", "v_proj")
        )
        attended = layers.attend(query, key, value, mask[:, None, None, :]).transpose(1, 2).flatten(2)
        x = x + layers.linear(f"{attention}.out_proj", attended)
        inner = layers.layer_norm(f"{name}.final_layer_norm", x, epsilon)
        return x + layers.linear(f"{name}.fc2", layers.gelu(layers.linear(f"{name}.fc1", inner)))

    def _project(self, x: Tensor) -> Tensor:
        """Projects to the width of the adapter, if it differs from the encoder's."""
        name = "audio_encoder.out_proj"
        return self._layers.linear(name, x) if self._layers.has(name) else x

    def _positions(self, x: Tensor) -> Tensor:
        """Sines, then cosines, of wave lengths from 2π to 2π · 10,000 tokens."""
        import torch

        waves = self._config.d_model // 2
        rates = torch.exp(torch.arange(waves, device=x.device) * (-math.log(_LONGEST_WAVE) / (waves - 1)))
        angles = torch.arange(x.shape[1], device=x.device)[:, None] * rates
        return torch.cat((angles.sin(), angles.cos()), dim=1)


class Decoder:
    """Reads a whole prompt at a time, without a cache: each further token needs another full pass."""

    def __init__(self, config: LanguageConfig, layers: Layers) -> None:
        self._config = config
        self._layers = layers

    def embed(self, token_ids: Tensor) -> Tensor:
        return self._layers.embed("language_model.embed_tokens", token_ids)

    def read(self, x: Tensor, injected: Sequence[Tensor]) -> Tensor:
        """States (length, hidden_size) after the last layer, for embeddings `x` of that shape.

        The tensors of `injected`, of that shape too, are added to the outputs of layer 0, 1 and so on.
        """
        rotations = self._rotations(x)
        for index in range(self._config.num_hidden_layers):
            x = self._layer(f"language_model.layers.{index}", x, rotations)
            if index < len(injected):
                x = x + injected[index]
        return self._norm("language_model.norm", x)

    def logits(self, states: Tensor) -> Tensor:
        """(…, vocab_size). A checkpoint without its own head uses the embeddings, like small Qwen3s."""
        if self._layers.has("lm_head"):
            return self._layers.linear("lm_head", states)
        return self._layers.linear("language_model.embed_tokens", states)

    def _layer(self, name: str, x: Tensor, rotations: tuple[Tensor, Tensor]) -> Tensor:
        layers, config = self._layers, self._config
        attention = f"{name}.self_attn"
        inner = self._norm(f"{name}.input_layernorm", x)
        query, key, value = (
            layers.linear(f"{attention}.{part}_proj", inner).unflatten(-1, (-1, config.head_dim)) for part in "qkv"
        )
        query = _rotate(self._norm(f"{attention}.q_norm", query), rotations)
        key = _rotate(self._norm(f"{attention}.k_norm", key), rotations)
        query, key, value = (part.transpose(0, 1)[None] for part in (query, key, value))
        attended = layers.attend(query, key, value, mask=None)[0].transpose(0, 1).flatten(1)
        x = x + layers.linear(f"{attention}.o_proj", attended)
        return x + layers.gated(f"{name}.mlp", self._norm(f"{name}.post_attention_layernorm", x))

    def _norm(self, name: str, x: Tensor) -> Tensor:
        return self._layers.rms_norm(name, x, self._config.rms_norm_eps)

    def _rotations(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Cosines and sines (length, 1, head_dim) of the rotary positions."""
        import torch

        even = torch.arange(0, self._config.head_dim, 2, device=x.device).float()
        rates = self._config.theta ** (-even / self._config.head_dim)
        angles = (torch.arange(x.shape[0], device=x.device)[:, None] * rates).repeat(1, 2)[:, None]
        return angles.cos(), angles.sin()


def _rotate(x: Tensor, rotations: tuple[Tensor, Tensor]) -> Tensor:
    """`x` (length, heads, head_dim), rotated by its positions: the two halves of a head are the two coordinates."""
    import torch

    cosines, sines = rotations
    first, second = x.chunk(2, dim=-1)
    return x * cosines + torch.cat((-second, first), dim=-1) * sines
