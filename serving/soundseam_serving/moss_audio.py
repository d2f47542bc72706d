"""vLLM's MOSS-Audio with DeepStack's features in buffers that are always there.

Upstream (https://github.com/vllm-project/vllm/blob/v0.33.0/vllm/model_executor/models/moss_audio.py) keeps them in
`deepstack_input_embeds`, which is None for a batch without audio. vLLM compiles on such a batch and drops torch's
guards, so the compiled model never injects anything. Qwen3-VL, in qwen3_vl.py beside that file, does not have the
fault: its buffers are always there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm.model_executor.models import moss_audio as upstream
from vllm.sequence import IntermediateTensors

from soundseam_serving.buffers import DeepStackBuffers
from soundseam_serving.compile_key import mark_as_ours

if TYPE_CHECKING:
    import torch
    from vllm.config import VllmConfig


class MossAudioModel(upstream.MossAudioModel):
    """Differs from upstream's in what `forward` passes on, and in nothing else."""

    def __init__(self, *, vllm_config: VllmConfig, prefix: str = "") -> None:
        mark_as_ours(vllm_config)
        super().__init__(vllm_config=vllm_config, prefix=prefix)
        self._deepstack = DeepStackBuffers(
            len(self.deepstack_audio_merger_list),
            vllm_config.scheduler_config.max_num_batched_tokens,
            self.config.language_config.hidden_size,
        )

    def embed_input_ids(self, *arguments: object, **named: object) -> torch.Tensor:
        """vLLM calls this before each batch, never inside a graph: here the batch's features are at hand."""
        embeddings = super().embed_input_ids(*arguments, **named)
        features = self.deepstack_input_embeds
        self._deepstack.write(None if features is None else features.tensors)
        return embeddings

    def forward(
        self,
        input_ids: torch.Tensor | None,
        positions: torch.Tensor,
        intermediate_tensors: IntermediateTensors | None = None,
        inputs_embeds: torch.Tensor | None = None,
        **named: object,
    ) -> torch.Tensor | IntermediateTensors:
        given = input_ids if inputs_embeds is None else inputs_embeds
        if intermediate_tensors is None and given is not None:
            self.deepstack_input_embeds = IntermediateTensors(self._deepstack.read(given.shape[0]))
        return super().forward(input_ids, positions, intermediate_tensors, inputs_embeds, **named)
