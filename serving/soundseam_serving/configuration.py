"""The configuration class of MOSS-Audio, so that the one in a checkpoint, which is code, need not be run."""

from __future__ import annotations

from collections.abc import Mapping

from transformers import PretrainedConfig, Qwen3Config


class MossAudioConfig(PretrainedConfig):
    """Keeps the encoder's fields as they are; vLLM's model makes its own of them."""

    model_type = "moss_audio"

    def __init__(
        self,
        audio_config: Mapping[str, object] | None = None,
        language_config: Mapping[str, object] | Qwen3Config | None = None,
        **fields: object,
    ) -> None:
        self.audio_config = dict(audio_config or {})
        known = isinstance(language_config, Qwen3Config)
        self.language_config = language_config if known else Qwen3Config(**(language_config or {}))
        super().__init__(**fields)

    def get_text_config(self, *_: object, **__: object) -> Qwen3Config:
        return self.language_config
