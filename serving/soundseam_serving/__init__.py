"""A vLLM plugin: MOSS-Audio with DeepStack under torch.compile, and its configuration class."""

from __future__ import annotations


def register() -> None:
    """What vLLM calls, in each of its processes, before it looks for a model. Calling it again changes nothing."""
    from transformers import AutoConfig
    from vllm import ModelRegistry

    from soundseam_serving.configuration import MossAudioConfig

    AutoConfig.register(MossAudioConfig.model_type, MossAudioConfig, exist_ok=True)
    # By name: the class is imported where the model is built, as importing it here could start CUDA too early.
    ModelRegistry.register_model("MossAudioModel", "soundseam_serving.moss_audio:MossAudioModel")
