"""The decoder: a Qwen3 whose first layers are given what DeepStack took from the encoder.

After `Qwen3Model` of transformers
(https://github.com/huggingface/transformers/blob/v4.57.1/src/transformers/models/qwen3/modeling_qwen3.py) and the hooks
of `MossAudioModel` in
https://github.com/OpenMOSS/MOSS-Audio/blob/2c9984ba42f5d51c505546c97239983b09e5ebf4/src/modeling_moss_audio.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from annotators.moss.config import LanguageConfig
from annotators.moss.layers import Layers

if TYPE_CHECKING:
    from torch import Tensor


class Decoder:
    """Reads a whole prompt at a time: what comes after it is asked for by reading it with one more token."""

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
        """(…, vocab_size). A checkpoint without a head of its own uses the embeddings, as small Qwen3s do."""
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
        heard = layers.attend(query, key, value, mask=None)[0].transpose(0, 1).flatten(1)
        x = x + layers.linear(f"{attention}.o_proj", heard)
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
    """`x` (length, heads, head_dim), turned by its positions: the two halves of a head are the two coordinates."""
    import torch

    cosines, sines = rotations
    first, second = x.chunk(2, dim=-1)
    return x * cosines + torch.cat((-second, first), dim=-1) * sines
