"""torch with Hugging Face datasets: a tiny random Qwen2-Audio on the samples of an export.

    soundseam export out --format hf --output hf --no-tables
    python -m tests.trainers.hf_torch hf

Environment: torch 2.14.1, transformers 5.24.0, datasets 5.2.0, soundfile.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import soundfile
import torch
from numpy.typing import NDArray
from transformers import Qwen2AudioConfig, Qwen2AudioForConditionalGeneration, WhisperFeatureExtractor

from tests.trainers.fitting import Pair, Steps, run

AUDIO, END, PAD = 256, 257, 258
"""Ids after those of the 256 bytes of texts."""
_SECONDS = 1
_TINY = {"num_hidden_layers": 2, "num_attention_heads": 4, "hidden_size": 64}


class Clips:
    """The rows of both splits, as datasets reads them: clips by their ids, decoded by soundfile, and their samples."""

    def __init__(self, folder: str) -> None:
        self.sounds: dict[str, NDArray[np.float32]] = {}
        self.pairs: list[Pair] = []
        for split in datasets.load_dataset(folder).values():
            for row in split.cast_column("audio", datasets.Audio(decode=False)):
                (name,) = row["segment_ids"]
                self.sounds[name], _ = soundfile.read(io.BytesIO(row["audio"]["bytes"]), dtype="float32")
                self.pairs += self._pairs(name, row["samples"])

    @staticmethod
    def _pairs(clip: str, samples: list[dict[str, Any]]) -> Iterator[Pair]:
        return (Pair(one["sample_id"], clip, one["question"], one["text"]) for one in samples)


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


class Batches:
    """Batches of one sample: the clip, the question and the answer as bytes."""

    def __init__(self, sounds: dict[str, NDArray[np.float32]]) -> None:
        self._sounds = sounds
        self._features = WhisperFeatureExtractor(feature_size=128, chunk_length=_SECONDS)

    def of(self, pair: Pair) -> dict[str, torch.Tensor]:
        sound = self._sounds[pair.clip]
        mel = self._features(sound, sampling_rate=16_000, return_tensors="pt", return_attention_mask=True)
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


def main() -> None:
    clips = Clips(str(Path(sys.argv[1]).resolve()))
    steps = Steps(tiny_model(), Batches(clips.sounds).of)
    print(len(clips.sounds), "clips;", run(clips.pairs, steps.step, steps.loss))  # noqa: T201 - a command


if __name__ == "__main__":
    main()
