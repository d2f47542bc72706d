"""A CLAP model of one layer a stage with random weights, that reads letter by letter."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from transformers import RobertaTokenizerFast


def clap_folder(folder: Path) -> str:
    """Where the model lies, made on the first call; skips without torch and transformers."""
    for module in ("torch", "transformers"):
        pytest.importorskip(module, reason=f"needs {module}: pip install 'soundseam[models]'")
    model = folder / "clap-tiny-random"
    if not model.exists():
        _save_clap(model)
    return str(model)


def _save_clap(folder: Path) -> None:
    import torch
    from transformers import ClapConfig, ClapFeatureExtractor, ClapModel, ClapProcessor

    tokenizer = letter_tokenizer()
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 16,
        "max_position_embeddings": 130,
    }
    audio = {
        "hidden_size": 64,
        "patch_embeds_hidden_size": 8,
        "depths": [1, 1, 1, 1],
        "num_attention_heads": [1, 1, 1, 1],
        "num_classes": 2,
    }
    torch.manual_seed(0)
    # text and audio have projections of their own size, which must agree.
    config = ClapConfig(
        text_config={**text, "projection_dim": 8}, audio_config={**audio, "projection_dim": 8}, projection_dim=8
    )
    ClapModel(config).save_pretrained(folder)
    # Published ones hear 10 s at once: most of a test's time would go into that.
    extractor = ClapFeatureExtractor(feature_size=64, truncation="rand_trunc", max_length_s=4)
    ClapProcessor(feature_extractor=extractor, tokenizer=tokenizer).save_pretrained(folder)


def letter_tokenizer() -> RobertaTokenizerFast:
    """Every byte is a token."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import RobertaTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: index for index, token in enumerate(["<s>", "<pad>", "</s>", "<unk>", "<mask>", *letters])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return RobertaTokenizerFast(tokenizer_object=tokenizer)
