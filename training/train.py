"""Trains the network and exports it: `python -m training.train WORK [WORK ...] --epochs 14 --output event_net.onnx`."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from soundseam.annotators.detection.features import MELS
from training.model import COARSE, EventNet, start_from

CROP = 960
"""Frames of a training example: half a scene."""
PARTS = ("mel", "speech", "targets")
WEIGHTS = (1.0, 1.0, 1.5)
"""Of speech, music and other sound in the loss: the last is the rarest and the most varied."""


class Scenes:
    """The files that training.dataset wrote into one folder or several; scenes it had not come to are left out."""

    def __init__(self, works: list[Path], name: str) -> None:
        self.parts = [[np.load(work / f"{name}-{part}.npy", mmap_mode="r") for part in PARTS] for work in works]
        self.places = [
            (part, index)
            for part, arrays in enumerate(self.parts)
            for index in np.flatnonzero(np.any(np.asarray(arrays[1]) > 0, axis=1)).tolist()
        ]
        self.frames = self.parts[0][1].shape[1]

    def __len__(self) -> int:
        return len(self.places)

    def crop(self, index: int, start: int, length: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        span = slice(start, start + length)
        part, place = self.places[index]
        mel, speech, targets = self.parts[part]
        return (
            mel[place, :, 2 * start : 2 * (start + length)].astype(np.float32),
            speech[place, span].astype(np.float32),
            targets[place, :, span],
        )


def batch_of(parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> tuple[Tensor, Tensor, Tensor]:
    mel, speech, targets = (torch.from_numpy(np.stack(column)) for column in zip(*parts, strict=True))
    return mel, speech, targets


def augment(rng: np.random.Generator, mel: Tensor, speech: Tensor) -> None:
    """In place: another level, another tilt, a few bands hidden, and sometimes no help from Silero."""
    count, bands = mel.shape[0], mel.shape[3]
    gain = torch.from_numpy(rng.uniform(-1.2, 0.6, (count, 1, 1))).float()
    tilt = torch.from_numpy(rng.uniform(-0.6, 0.6, (count, 1, 1))).float() * torch.linspace(-1, 1, bands)
    mel[:, 0] = torch.clamp(mel[:, 0] + gain + tilt, min=-9.0)
    for index in range(count):
        if rng.random() < 0.3:
            low = int(rng.integers(0, bands - 6))
            mel[index, :, :, low : low + int(rng.integers(1, 6))] = torch.tensor([-9.0, 0.0]).view(2, 1, 1)
        if rng.random() < 0.1:
            speech[index] *= float(rng.uniform(0, 1))


def loss_of(logits: Tensor, targets: Tensor) -> Tensor:
    """Binary cross entropy where the truth is known."""
    known = (targets < 2).float() * torch.tensor(WEIGHTS).view(1, 3, 1)
    loss = nn.functional.binary_cross_entropy_with_logits(logits, (targets == 1).float(), reduction="none")
    return (loss * known).sum() / known.sum()


def evaluate(net: EventNet, scenes: Scenes) -> tuple[float, list[float]]:
    """Loss, and for each label the F1 of its frames at 0.5."""
    net.eval()
    losses, right, said, true = [], np.zeros(3), np.zeros(3), np.zeros(3)
    with torch.inference_mode():
        for index in range(len(scenes)):
            mel, speech, targets = batch_of([scenes.crop(index, 0, scenes.frames)])
            logits = net(mel, speech)
            losses.append(float(loss_of(logits, targets)))
            yes, is_true, known = (logits > 0).numpy()[0], targets.numpy()[0] == 1, targets.numpy()[0] < 2
            right += (yes & is_true & known).sum(axis=1)
            said += (yes & known).sum(axis=1)
            true += (is_true & known).sum(axis=1)
    return float(np.mean(losses)), [round(float(f1), 4) for f1 in 2 * right / np.maximum(said + true, 1)]


class SeenScenes:
    """Scenes as a front end that is not trained further sees them, computed once, as `versions` augmented ones each."""

    def __init__(self, net: EventNet, scenes: Scenes, versions: int, rng: np.random.Generator) -> None:
        self.frames = scenes.frames
        self.seen, self.rest = [], []
        net.eval()
        with torch.inference_mode():
            for index in [index for index in range(len(scenes)) for _ in range(versions)]:
                mel, speech, targets = batch_of([scenes.crop(index, 0, scenes.frames)])
                augment(rng, mel, speech)
                self.seen.append(net.see(mel)[0].half())
                self.rest.append((speech[0], targets[0]))

    def __len__(self) -> int:
        return len(self.seen)

    def batch(self, crops: list[tuple[int, int]]) -> tuple[Tensor, Tensor, Tensor]:
        """What the front end made of it, speech and targets of scenes from frames on."""
        spans = [(index, slice(start, start + CROP)) for index, start in crops]
        seen = torch.stack([self.seen[index][:, span] for index, span in spans]).float()
        speech = torch.stack([self.rest[index][0][span] for index, span in spans])
        return seen, speech, torch.stack([self.rest[index][1][:, span] for index, span in spans])


def tune(works: list[Path], start: Path, epochs: int, batch: int, rate: float, seed: int, output: Path) -> None:
    """Trains an exported net further on new scenes, all but its front end; writes it after every other epoch.

    So it takes a tenth of the time that training from nothing takes.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    net = EventNet()
    start_from(net, start)
    scenes = SeenScenes(net, Scenes(works, "train"), 2, rng)
    print(len(scenes), "scenes", flush=True)
    parameters = [value for name, value in net.named_parameters() if not name.startswith("front")]
    optimiser = torch.optim.AdamW(parameters, lr=rate, weight_decay=1e-3)
    per_epoch = max(1, 2 * len(scenes) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=epochs * per_epoch, pct_start=0.1)
    for epoch in range(epochs):
        net.train()
        for layer in net.modules():
            if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d)):
                layer.eval()
        total, begun = 0.0, time.process_time()
        for _ in range(per_epoch):
            starts = rng.integers(0, (scenes.frames - CROP) // COARSE + 1, batch) * COARSE
            seen, speech, targets = scenes.batch(
                [(int(index), int(at)) for index, at in zip(rng.integers(len(scenes), size=batch), starts, strict=True)]
            )
            loss = loss_of(net.judge(seen, speech), targets)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += float(loss.detach())
        print(epoch, round(total / per_epoch, 4), f"{time.process_time() - begun:.0f} s of processor", flush=True)
        if epoch % 2 or epoch == epochs - 1:
            export(net, output)


def train(works: list[Path], start: Path | None, epochs: int, batch: int, seed: int) -> EventNet:
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    scenes, held_out = Scenes(works, "train"), Scenes(works[:1], "held_out")
    net = EventNet()
    if start is not None:
        net.load_state_dict(torch.load(start))
    optimiser = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=1e-3)
    steps = epochs * (2 * len(scenes) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=steps, pct_start=0.15)
    begun = time.monotonic()
    for epoch in range(epochs):
        net.train()
        order = rng.permutation(2 * len(scenes))
        total = 0.0
        for first in range(0, len(order) - batch + 1, batch):
            picks = order[first : first + batch] // 2
            latest = (scenes.frames - CROP) // COARSE
            parts = [scenes.crop(int(index), int(rng.integers(0, latest + 1)) * COARSE, CROP) for index in picks]
            mel, speech, targets = batch_of(parts)
            augment(rng, mel, speech)
            loss = loss_of(net(mel, speech), targets)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += float(loss.detach())
        spent = (time.monotonic() - begun) / 60
        print(epoch, round(total / (len(order) // batch), 4), *evaluate(net, held_out), f"{spent:.1f} min", flush=True)
        torch.save(net.state_dict(), works[0] / "net.pt")
    return net


def export(net: EventNet, path: Path) -> None:
    """Writes scores, not logits, as ONNX with batch norms folded, for any number of frames."""

    class Scores(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, spectrum: Tensor, speech: Tensor) -> Tensor:
            return torch.sigmoid(self.net(spectrum, speech))

    net.eval()
    example = (torch.zeros(1, 2, 16 * COARSE, MELS), torch.zeros(1, 8 * COARSE))
    torch.onnx.export(
        Scores().eval(),
        example,
        str(path),
        input_names=["spectrum", "speech"],
        output_names=["scores"],
        dynamic_axes={"spectrum": {2: "half_frames"}, "speech": {1: "frames"}, "scores": {2: "frames"}},
        dynamo=False,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("works", type=Path, nargs="+")
    parser.add_argument("--epochs", type=int, default=14)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--start", type=Path, help="weights to go on from: the net.pt of a run before")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--tune", type=Path, help="an exported net: train it further, all but its front end")
    parser.add_argument("--rate", type=float, default=1e-3, help="with --tune: the highest learning rate")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.tune is not None:
        tune(options.works, options.tune, options.epochs, options.batch, options.rate, options.seed, options.output)
        return
    net = train(options.works, options.start, options.epochs, options.batch, options.seed)
    export(net, options.output)


if __name__ == "__main__":
    main()
