"""torch with Hugging Face datasets: a tiny random Qwen2-Audio on the samples of an export.

    soundseam export out --format hf --output hf --no-tables
    python -m tests.trainers.hf_torch hf

Environment: torch 2.14.1, transformers 5.24.0, datasets 5.2.0, soundfile.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from typing import Any

import datasets
import soundfile
import torch
from transformers import Qwen2AudioConfig, Qwen2AudioForConditionalGeneration, WhisperFeatureExtractor

from tests.trainers.fitting import Pair, run

AUDIO, END, PAD = 256, 257, 258
"""Ids after those of the 256 bytes of texts."""
_SECONDS = 1
_TINY = {"num_hidden_layers": 2, "num_attention_heads": 4, "hidden_size": 64}


def pairs_in(folder: str) -> Iterator[Pair]:
    """Every sample with one clip of both splits, as datasets reads it; audio is decoded by soundfile."""
    for name in datasets.get_dataset_config_names(folder):
        if name == "default" or name.startswith("table_") or name.endswith("_two_clips"):
            continue
        for split in datasets.load_dataset(folder, name).values():
            for row in split.cast_column("audio", datasets.Audio(decode=False)):
                samples, _ = soundfile.read(io.BytesIO(row["audio"]["bytes"]), dtype="float32")
                yield Pair(row["sample_id"], (row["segment_ids"][0], samples), row["question"], row["text"])


def tiny_model() -> Any:
    torch.manual_seed(0)
    config = Qwen2AudioConfig(
        audio_config={
            "d_model": 64,
            "encoder_layers": 2,
            "encoder_attention_heads": 4,
            "encoder_ffn_dim": 128,
            "num_mel_bins": 128,
            "max_source_positions": 50 * _SECONDS,
        },
        text_config={
            "model_type": "qwen2",
            "vocab_size": 260,
            "intermediate_size": 128,
            "num_key_value_heads": 4,
            **_TINY,
        },
        audio_token_index=AUDIO,
    )
    return Qwen2AudioForConditionalGeneration(config)


class Trainer:
    """Steps over single samples."""

    def __init__(self) -> None:
        self.model = tiny_model()
        self.optimiser = torch.optim.AdamW(self.model.parameters(), lr=2e-3)
        self.features = WhisperFeatureExtractor(feature_size=128, chunk_length=_SECONDS)

    def inputs(self, pair: Pair) -> dict[str, torch.Tensor]:
        mel = self.features(pair.audio[1], sampling_rate=16_000, return_tensors="pt", return_attention_mask=True)
        frames = int(mel["attention_mask"].sum())
        tokens = ((frames - 1) // 2 + 1 - 2) // 2 + 1
        question, answer = ([*text.encode()][:300] for text in (pair.question, pair.answer))
        prompt = [AUDIO] * tokens + question
        return {
            "input_ids": torch.tensor([[*prompt, *answer, END]]),
            "labels": torch.tensor([[*[-100] * len(prompt), *answer, END]]),
            "attention_mask": torch.ones(1, len(prompt) + len(answer) + 1, dtype=torch.long),
            "input_features": mel["input_features"],
            "feature_attention_mask": mel["attention_mask"],
        }

    def step(self, pair: Pair) -> float:
        self.optimiser.zero_grad()
        loss = self.model(**self.inputs(pair)).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        return float(loss.detach())

    @torch.no_grad()
    def loss(self, pair: Pair) -> float:
        return float(self.model(**self.inputs(pair)).loss)


def main() -> None:
    trainer, pairs = Trainer(), list(pairs_in(sys.argv[1]))
    print(run(pairs, lambda pair: pair.audio[0], trainer.step, trainer.loss))  # noqa: T201 - a command


if __name__ == "__main__":
    main()
