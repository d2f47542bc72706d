"""Throughput of the music and general backends that have models, each next to the bare library call:
`python -m benchmarks.music_models`.

The models have the architecture and size of the published ones, and random weights: that changes what they answer, not
how long it takes. One process, clips of 30 s, in times real time of one core (processor time), best of `--rounds`; on a
GPU with `--device cuda`, then by the clock. Set OMP_NUM_THREADS=1 on a CPU.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from benchmarks.music import SECONDS, a_clip, music
from soundseam.annotators.base import Backend, Clip
from soundseam.annotators.clap import GeneralClapAgreement
from soundseam.annotators.detection.ast import Ast
from soundseam.annotators.general.clap_tags import GeneralClapTags
from soundseam.annotators.general.tagger import Tagger
from soundseam.annotators.music.basic_pitch import WINDOW, BasicPitch
from soundseam.annotators.music.beat_this import BeatThis
from soundseam.annotators.music.clap_tags import MusicClapTags
from soundseam.annotators.music.tags import Tags
from soundseam.annotators.onnx import open_session
from soundseam.schemas.annotation import Facts, GeneralAnnotation
from soundseam.schemas.event import Branch

Timed = tuple[str, Callable[[], object]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--basic-pitch", type=Path, help="nmp.onnx, out of `pip download --no-deps basic-pitch`")
    options = parser.parse_args()
    clock = time.process_time if options.device == "cpu" else time.perf_counter
    print(f"{'what':44}{'times real':>12}")
    with tempfile.TemporaryDirectory() as folder:
        for make in (_beats, _tags, _clap, _taggers):
            for name, call in make(Path(folder), options.device):
                print(f"{name:44}{_rate(call, options.rounds, clock):12.1f}", flush=True)
    if options.basic_pitch is not None:
        for name, call in _notes(options.basic_pitch):
            print(f"{name:44}{_rate(call, options.rounds, clock):12.1f}", flush=True)


def _rate(call: Callable[[], object], rounds: int, clock: Callable[[], float]) -> float:
    call()
    times = []
    for _ in range(rounds):
        start = clock()
        call()
        times.append(clock() - start)
    return SECONDS / min(times)


def _annotate(backend: Backend[Facts]) -> Timed:
    annotator = backend.load()
    rate_hz = backend.sample_rate_hz or 16_000
    clip = a_clip(music(rate_hz), rate_hz, backend.branch)
    if backend.kind == "clap_agreement":
        row = GeneralAnnotation(
            segment_id=clip.segment.segment_id,
            recording_id=clip.segment.recording_id,
            branch=Branch.GENERAL,
            backend="caption",
            model="m",
            revision="1",
            config_key="k",
            caption="Music plays, and something knocks again and again.",
        )
        clip = Clip(clip.segment, clip.samples, clip.sample_rate_hz, (row,))
    return f"{backend.branch} {backend.backend}", lambda: annotator.annotate([clip])


def _notes(path: Path) -> Iterator[Timed]:
    yield _annotate(BasicPitch(weights=str(path)))
    session, window = open_session(path), np.zeros((1, WINDOW, 1), np.float32)
    count = -(-SECONDS * 22_050 // WINDOW)
    name = session.get_inputs()[0].name
    yield "  onnxruntime, windows end to end", lambda: [session.run(None, {name: window}) for _ in range(count)]


def _beats(folder: Path, device: str) -> Iterator[Timed]:
    import torch
    from beat_this.inference import Audio2Beats
    from beat_this.model.beat_tracker import BeatThis as Net

    torch.manual_seed(0)
    state = {f"model.{name}": value for name, value in Net().state_dict().items()}
    checkpoint = folder / "final.ckpt"
    torch.save({"hyper_parameters": {}, "state_dict": state}, checkpoint)
    yield _annotate(BeatThis(weights=str(checkpoint), device=device))
    bare, samples = Audio2Beats(str(checkpoint), device=device), music(22_050)
    yield "  beat_this.inference.Audio2Beats", lambda: bare(samples, 22_050)


def _tags(folder: Path, device: str) -> Iterator[Timed]:
    path = _ast_folder(folder)
    yield _annotate(Tags(weights=path, device=device))
    from transformers import pipeline

    bare, samples = pipeline("audio-classification", model=path, device=device), music(16_000)
    windows = [samples[start : start + 160_000] for start in range(0, samples.size, 160_000)]
    yield "  transformers pipeline, windows of 10 s", lambda: [bare(window) for window in windows]


def _taggers(folder: Path, device: str) -> Iterator[Timed]:
    yield _annotate(Tagger(tagger=Ast(weights=_ast_folder(folder), device=device)))


def _ast_folder(folder: Path) -> str:
    import torch
    from transformers import ASTConfig, ASTFeatureExtractor, ASTForAudioClassification

    path = folder / "ast"
    if not path.exists():
        torch.manual_seed(0)
        names = dict(enumerate(f"label {index}" for index in range(527)))
        ASTForAudioClassification(ASTConfig(id2label=names)).save_pretrained(path)
        ASTFeatureExtractor().save_pretrained(path)
    return str(path)


def _clap(folder: Path, device: str) -> Iterator[Timed]:
    import torch
    from transformers import ClapConfig, ClapFeatureExtractor, ClapModel, ClapProcessor

    from tests.support.tiny_clap import letter_tokenizer

    path = folder / "clap"
    torch.manual_seed(0)
    tokenizer = letter_tokenizer()
    config = ClapConfig(text_config={"vocab_size": len(tokenizer), "pad_token_id": 1})
    extractor = ClapFeatureExtractor(feature_size=64, truncation="rand_trunc")
    ClapModel(config).save_pretrained(path)
    ClapProcessor(feature_extractor=extractor, tokenizer=tokenizer).save_pretrained(path)
    for backend in (MusicClapTags, GeneralClapTags, GeneralClapAgreement):
        yield _annotate(backend(weights=str(path), device=device))
    net = ClapModel.from_pretrained(path).eval().to(device)
    samples = music(48_000)
    windows = list(samples.reshape(-1, 480_000))

    def embed() -> object:
        inputs = extractor(windows, sampling_rate=48_000, return_tensors="pt").to(device)
        with torch.inference_mode():
            return np.asarray(net.get_audio_features(**inputs).pooler_output.float().cpu())

    yield "  ClapModel.get_audio_features, three windows", embed


if __name__ == "__main__":
    main()
