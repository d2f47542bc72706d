"""A tiny random Qwen2-Audio with its processor in a folder, as trainers with a command line want it."""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    PreTrainedTokenizerFast,
    Qwen2AudioConfig,
    Qwen2AudioForConditionalGeneration,
    Qwen2AudioProcessor,
    WhisperFeatureExtractor,
)

SECONDS = 1
"""Audio after that is cut: enough to tell clips apart, and quick on a CPU."""
_SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|AUDIO|>", "<|audio_bos|>", "<|audio_eos|>")


def save_tiny_qwen(folder: Path) -> None:
    """One token a byte, two layers of 64 numbers."""
    tokenizer = tiny_tokenizer()
    features = WhisperFeatureExtractor(feature_size=128, chunk_length=SECONDS)
    Qwen2AudioProcessor(features, tokenizer).save_pretrained(folder)
    torch.manual_seed(0)
    config = Qwen2AudioConfig(
        audio_config={
            "d_model": 64,
            "encoder_layers": 2,
            "encoder_attention_heads": 4,
            "encoder_ffn_dim": 128,
            "num_mel_bins": 128,
            "max_source_positions": 50 * SECONDS,
        },
        text_config={
            "model_type": "qwen2",
            "vocab_size": len(tokenizer),
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 4,
        },
        audio_token_index=tokenizer.convert_tokens_to_ids("<|AUDIO|>"),
        # transformers 5 still looks for it when a trainer writes one mark a clip, as ms-swift does.
        ignore_index=-100,
    )
    Qwen2AudioForConditionalGeneration(config).save_pretrained(folder)


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """One token a byte, and the marks of Qwen."""
    names = {name: index for index, name in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    tokenizer = Tokenizer(models.BPE(vocab=names, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in _SPECIAL])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<|endoftext|>",
        eos_token="<|im_end|>",
        additional_special_tokens=list(_SPECIAL[1:]),
    )
