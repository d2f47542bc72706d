"""The few operations that both halves of the model are made of, on weights by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from annotators.moss.weights import Weights


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
        """Attention over (batch, heads, length, head_dim); without a mask, each position sees those before it.

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
