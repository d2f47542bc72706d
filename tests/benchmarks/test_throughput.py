from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

from benchmarks.throughput import build_recording

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("kind", "rate_hz", "channels"), [("flac", 16_000, 1), ("mp3", 44_100, 2)])
def test_the_audio_has_the_length_and_the_format_asked_for(
    kind: str, rate_hz: int, channels: int, tmp_path: Path
) -> None:
    info = soundfile.info(build_recording(tmp_path / f"a.{kind}", 20.0))
    assert (info.samplerate, info.channels) == (rate_hz, channels)
    assert abs(info.duration - 20.0) < 0.1


def test_the_same_seed_builds_the_same_audio(tmp_path: Path) -> None:
    first, again, other = (
        build_recording(tmp_path / f"{name}.flac", 5.0, seed).read_bytes()
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert first == again
    assert first != other


def test_the_chain_the_whole_default_and_their_parts_are_timed_in_one_run() -> None:
    command = [sys.executable, "-m", "benchmarks.throughput", "--minutes", "0.5"]
    shown = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    speeds = {name.strip(): int(speed) for name, speed in re.findall(r"^  (.{28}) *(\d+) x", shown, re.MULTILINE)}
    assert {"FLAC decode", "Silero", "STFT", "FLAC encode", "detect", "the whole chain"} <= set(speeds)
    assert {"segments", "captions", "the whole default"} <= set(speeds)
    assert all(speed > 1 for speed in speeds.values())
