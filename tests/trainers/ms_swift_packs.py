"""ms-swift: its own command, `swift pt`, on the packs of a pretraining mix.

    python -m tests.trainers.ms_swift_packs model
    soundseam export out --format swift --output packs --recipe pretrain --set tokenizer=model/tokenizer.json
    python -m tests.trainers.ms_swift_packs model packs 8192

Environment: that of `tests.trainers.ms_swift`. The first command saves a tiny random Qwen2-Audio, whose tokenizer
counts the packs. The last one takes a step on every pack: ms-swift leaves out what is longer than `--max_length`, which
is the context of the packs, so there are as many steps as packs only if no pack is longer.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.trainers.fitting import lines_of
from tests.trainers.tiny_qwen import save_tiny_qwen


def train(model: Path, packs: Path, context: int, output: Path) -> list[float]:
    """The losses of one epoch of `swift pt`, one pack per step."""
    command = [
        *(sys.executable, "-m", "swift.cli.main", "pt", "--model", str(model), "--model_type", "qwen2_audio"),
        *("--dataset", str(packs / "train.jsonl"), "--max_length", str(context), "--truncation_strategy", "delete"),
        *("--tuner_type", "full", "--torch_dtype", "float32", "--num_train_epochs", "1", "--logging_steps", "1"),
        *("--per_device_train_batch_size", "1", "--gradient_accumulation_steps", "1", "--save_strategy", "no"),
        *("--eval_strategy", "no", "--report_to", "none", "--use_cpu", "true", "--learning_rate", "2e-3"),
        *("--output_dir", str(output), "--add_version", "false", "--dataset_num_proc", "1"),
        *("--dataloader_num_workers", "0", "--attn_impl", "eager"),
    ]
    subprocess.run(command, check=True, env={**os.environ, "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""})
    entries = [json.loads(line) for line in (output / "logging.jsonl").open()]
    return [float(entry["loss"]) for entry in entries if "loss" in entry]


def main() -> None:
    model = Path(sys.argv[1]).resolve()
    if len(sys.argv) == 2:
        save_tiny_qwen(model)
        return
    packs = Path(sys.argv[2]).resolve()
    context = int(sys.argv[3])
    trained = sum(1 for _ in (packs / "train.jsonl").open())
    clips = [len(line["audios"]) for line in lines_of(packs)]
    with tempfile.TemporaryDirectory() as folder:
        losses = train(model, packs, context, Path(folder) / "output")
    assert len(losses) == trained, f"{len(losses)} steps are not one for each of {trained} packs: some are too long"
    assert all(map(math.isfinite, losses)), "a loss is not finite"
    said = f"{trained} packs of {context} tokens with up to {max(clips)} clips"
    print(f"swift pt: {said}, a step each, losses from {losses[0]:.2f} to {losses[-1]:.2f}")  # noqa: T201 - a command


if __name__ == "__main__":
    main()
