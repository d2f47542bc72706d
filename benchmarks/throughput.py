"""Speed, memory and scaling of decode, detect, cut, route and write, on audio built from samples/recordings.

`python -m benchmarks.throughput` prints the whole chain as times real time on one core, next to what its parts alone
take in the same run on the same audio; then each stage's share; then the whole default, branches and captions included,
backend by backend beside its bare parts. These are counted in processor time, which a machine that does other work as
well changes little. `--hours10` adds peak memory from ten minutes to ten hours, `--scaling` one worker against two, by
the clock: on an idle machine only.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path
from typing import Annotated

THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
os.environ.update(THREADS)  # before numpy loads: one core means one thread

import numpy as np
import soundfile
import typer

from benchmarks.default_run import print_default, time_default
from soundseam.annotators.base import DETECTION_RATE_HZ, Samples
from soundseam.annotators.detection.silero_vad import SILERO_FILE, SILERO_SHA256, speech_probabilities
from soundseam.annotators.flac import encode_flac
from soundseam.annotators.onnx import carried_weights, open_session
from soundseam.pipeline.audio.decode import DecodeConfig, decode_recording
from soundseam.pipeline.config import BranchBackends, RunConfig, load_config
from soundseam.pipeline.cutting.segmentation import combine, segment_detection
from soundseam.pipeline.input.sources import list_sources
from soundseam.pipeline.launch import GraphGroup
from soundseam.pipeline.local.progress import Step
from soundseam.pipeline.local.supervisor import LocalJob, Poison, run_local
from soundseam.pipeline.stages.segment import segment_source
from soundseam.pipeline.storage.commits import Commit, new_commit
from soundseam.pipeline.work import SEGMENTS_STAGE, ShardTask, StageTask
from soundseam.schemas.recording import Recording, Rejected, Source
from soundseam.schemas.segment import SegmentRow
from soundseam.schemas.tables import Table

SAMPLES = Path(__file__).parents[1] / "samples" / "recordings"
BLOCK = 30 * DETECTION_RATE_HZ
STFT_WINDOW, STFT_HOP = 512, 160
FORMATS = {"flac": ("FLAC", "PCM_16", 16_000, 1), "mp3": ("MP3", "MPEG_LAYER_III", 44_100, 2)}


def main(
    minutes: Annotated[float, typer.Option(help="Length of the audio.")] = 20.0,
    kind: Annotated[str, typer.Option(help="flac: 16 kHz mono; mp3: 44.1 kHz stereo.")] = "flac",
    hours10: Annotated[bool, typer.Option("--hours10", help="Also peak memory, 10 minutes against 10 hours.")] = False,
    scaling: Annotated[bool, typer.Option("--scaling", help="Also one worker against two.")] = False,
) -> None:
    """Prints times real time of the chain before the branches, of the whole default, and of their parts."""
    with tempfile.TemporaryDirectory(prefix="soundseam-benchmark-") as name:
        folder = Path(name)
        recording = build_recording(folder / f"long.{kind}", minutes * 60)
        print_parts(recording, minutes * 60)
        print_chain(folder, recording, minutes * 60)
        print_default(time_default([recording], folder / "default"), minutes * 60)
        recording.unlink()
        if hours10:
            print_memory(folder)
        if scaling:
            print_scaling(folder, minutes * 60)


def material() -> list[Samples]:
    """Every sample recording, 16 kHz mono."""
    waveforms = []
    for path in sorted(SAMPLES.iterdir()):
        with decode_recording(path, DecodeConfig()) as decoded:
            waveforms.append(decoded.waveform.read(0, decoded.waveform.num_samples))
    return waveforms


def build_recording(path: Path, seconds: float, seed: int = 0) -> Path:
    """Writes the samples one after another, in an order by `seed`, at slightly varied levels, until `seconds`."""
    container, subtype, rate_hz, channels = FORMATS[path.suffix[1:]]
    random = np.random.default_rng(seed)
    waveforms = material()
    random.shuffle(waveforms)
    left = round(seconds * rate_hz)
    with soundfile.SoundFile(path, "w", rate_hz, channels, subtype, format=container) as file:
        for waveform in cycle(waveforms):
            samples = waveform * random.uniform(0.5, 1.0)
            if rate_hz != DETECTION_RATE_HZ:
                import soxr

                samples = soxr.resample(samples, DETECTION_RATE_HZ, rate_hz)
            samples = samples[:left]
            file.write(np.repeat(samples[:, None], channels, axis=1))
            left -= len(samples)
            if left <= 0:
                return path
    return path


def print_parts(recording: Path, seconds: float) -> None:
    """The bare libraries on the same audio, each alone."""
    samples, _ = soundfile.read(recording, dtype="float32", always_2d=True)
    mono = samples[:, 0].copy() if recording.suffix == ".flac" else samples[::3, 0].copy()
    session = open_session(carried_weights(SILERO_FILE), SILERO_SHA256)
    spent = {
        f"{recording.suffix[1:].upper()} decode": processor_time(lambda: read_through(recording)),
        "Silero": processor_time(lambda: speech_probabilities(blocks_of(mono), session)),
        "STFT": processor_time(lambda: transform(mono)),
        "FLAC encode": processor_time(lambda: [encode_flac(block) for block in blocks_of(mono)]),
    }
    print(f"bare parts on {seconds / 60:.0f} minutes of {recording.suffix[1:].upper()}, times real time of one core")
    print_shares(spent, seconds)
    print(f"  {'all of them':28}{seconds / sum(spent.values()):8.0f} x")


def print_chain(folder: Path, recording: Path, seconds: float) -> None:
    """The same audio through the stage as a run has it, and stage by stage."""
    config = segmenting_config()
    detectors = [detector.load() for detector in config.detectors]
    commit_segments(recording, folder / "warm", config)  # what loads and compiles once is not counted
    spent = {}
    begun = time.process_time()
    with decode_recording(recording, config.decode) as decoded:
        spent["decode, downmix, quality"] = time.process_time() - begun
        begun = time.process_time()
        detections = [detector.detect(decoded.waveform) for detector in detectors]
        spent["detect"] = time.process_time() - begun
        begun = time.process_time()
        drafts = segment_detection(combine(detections), decoded.duration_ms, config.segmentation)
        spent["cut, route"] = time.process_time() - begun
    whole = processor_time(lambda: commit_segments(recording, folder / "out", config))
    spent["encode, write, commit"] = max(0.0, whole - sum(spent.values()))
    print(f"decode + detect + cut + route + write: {len(drafts)} segments")
    print_shares(spent, seconds)
    print(f"  {'the whole chain':28}{seconds / whole:8.0f} x")
    shutil.rmtree(folder / "out")
    shutil.rmtree(folder / "warm")


def print_memory(folder: Path) -> None:
    """Peak resident memory of a process that does nothing but the chain."""
    print("peak memory of the chain")
    for label, seconds in (("10 minutes", 600.0), ("1 hour", 3_600.0), ("10 hours", 36_000.0)):
        recording = build_recording(folder / "long.flac", seconds)
        command = [sys.executable, "-m", "benchmarks.throughput", "child", str(recording), str(folder / "out")]
        begun = time.perf_counter()
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        speed = seconds / (time.perf_counter() - begun)
        print(f"  {label:28}{int(output.split()[-1]) / 2**10:8.0f} MiB{speed:8.0f} x with start")
        recording.unlink()
        shutil.rmtree(folder / "out")


def print_scaling(folder: Path, seconds: float) -> None:
    """Eight recordings through local workers: one, then two."""
    inputs = folder / "inputs"
    inputs.mkdir()
    for index in range(8):
        build_recording(inputs / f"{index}.flac", seconds / 8, seed=index)
    elapsed = {}
    for workers in (1, 2):
        output = folder / f"out{workers}"
        begun = time.perf_counter()
        run_workers(inputs, output, workers)
        elapsed[workers] = time.perf_counter() - begun
        print(f"  {workers} worker{'s' * (workers > 1):20}{seconds / elapsed[workers]:8.0f} x")
    print(f"  gain{elapsed[1] / elapsed[2]:32.2f}")


def run_workers(inputs: Path, output: Path, workers: int) -> None:
    """The stage `segments` of a local run over all of `inputs`."""
    from apache_beam.options.pipeline_options import PipelineOptions

    sources = list_sources([str(inputs)]).sources
    tasks = [work_of(source, index) for index, source in enumerate(sources)]
    group = GraphGroup(segmenting_config(), str(output), PipelineOptions([]))
    run_local(tasks, LocalJob(group, Bystander(), workers))


class Bystander:
    """Watches nothing; a loss ends the benchmark."""

    def take_step(self, step: Step, seconds: float) -> None: ...

    def finish(self, recording_ids: object) -> None: ...

    def tick(self) -> None: ...

    def give_up(self, poison: Poison) -> None:
        raise RuntimeError(f"lost {poison.recording_id}: {poison.detail}")

    def remaining(self, work: ShardTask) -> ShardTask:
        return work


def segmenting_config() -> RunConfig:
    """The embedded profile without its branches."""
    return load_config("embedded").model_copy(update={"branches": BranchBackends()})


def work_of(source: Source, shard: int) -> ShardTask:
    keys = ((source.recording_id, "benchmark"),)
    return ShardTask(shard=shard, sources=(source,), stages=(StageTask(stage=SEGMENTS_STAGE, keys=keys),))


def commit_segments(recording: Path, output: Path, config: RunConfig) -> None:
    """One recording from its file to committed tables, in this process."""
    (source,) = list_sources([str(recording)]).sources
    detectors = [detector.load() for detector in config.detectors]
    commit = Commit(stage=SEGMENTS_STAGE, shard=0, covers=((source.recording_id, "benchmark"),), files=())
    tables = {Recording: Table.RECORDINGS, SegmentRow: Table.SEGMENTS, Rejected: Table.REJECTED}
    with new_commit(str(output), commit) as writer:
        for row in segment_source(source, detectors, config, "benchmark"):
            writer.append(tables[type(row)], row, len(row.audio.bytes) if isinstance(row, SegmentRow) else 0)


def read_through(recording: Path) -> int:
    return sum(len(block) for block in soundfile.blocks(recording, BLOCK, dtype="float32"))


def transform(samples: Samples) -> float:
    """Power spectra of 32 ms windows every 10 ms; their sum, so that none is skipped."""
    window = np.hanning(STFT_WINDOW).astype(np.float32)
    total = 0.0
    for block in blocks_of(samples):
        if len(block) >= STFT_WINDOW:
            frames = np.lib.stride_tricks.sliding_window_view(block, STFT_WINDOW)[::STFT_HOP]
            total += float(np.abs(np.fft.rfft(frames * window, axis=1)).sum())
    return total


def blocks_of(samples: Samples) -> Iterator[Samples]:
    return (samples[start : start + BLOCK] for start in range(0, len(samples), BLOCK))


def processor_time(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


def print_shares(spent: dict[str, float], seconds: float) -> None:
    total = sum(spent.values())
    for name, each in spent.items():
        print(f"  {name:28}{seconds / max(each, 1e-9):8.0f} x{each / total:8.0%}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        commit_segments(Path(sys.argv[2]), Path(sys.argv[3]), segmenting_config())
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1024 if sys.platform == "darwin" else 1))
    else:
        typer.run(main)
