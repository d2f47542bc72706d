"""Where DeepStack's features wait for the forward pass."""

from __future__ import annotations

from collections.abc import Mapping

import torch


class DeepStackBuffers:
    """One tensor a layer, always there and always at the same address: zero wherever a batch has no audio.

    A compiled graph, and a CUDA graph, holds on to what it was traced with. Tensors that are sometimes None are traced
    away; tensors that are made anew for each batch are never read again.
    """

    def __init__(self, num_layers: int, most_tokens: int, width: int) -> None:
        self._buffers = {name_of(layer): torch.zeros(most_tokens, width) for layer in range(num_layers)}
        self._written = 0

    def write(self, features: Mapping[str, torch.Tensor] | None) -> None:
        """`features` of the batch to come, each (num_tokens, width); None if it has no audio.

        Clears what the batch before has left. This must run before each batch, and outside of what is compiled.
        """
        for buffer in self._buffers.values():
            buffer[: self._written].zero_()
        self._written = 0
        for name, tensor in (features or {}).items():
            self._buffers[name][: len(tensor)].copy_(tensor)
            self._written = max(self._written, len(tensor))

    def read(self, num_tokens: int) -> dict[str, torch.Tensor]:
        """Views of the first `num_tokens` rows."""
        return {name: buffer[:num_tokens] for name, buffer in self._buffers.items()}


def name_of(layer: int) -> str:
    """What vLLM's `MossQwen3Model` looks for after its layer `layer`."""
    return f"deepstack_input_embeds_{layer}"
