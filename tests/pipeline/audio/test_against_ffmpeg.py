"""What the command line `ffmpeg` plays is what is read: containers, codecs and defects, each against the other."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from soundseam.pipeline.audio.decode import DecodeConfig, DecodeError, decode_recording
from tests.support.recordings import DELAYED_FORMATS, EXACT_FORMATS, Sound, a_tone, cut_off, spoil

FFMPEG = shutil.which("ffmpeg")
MAX_DIFFERENCE_DB = -30.0
"""Of what differs, against what is there: the resamplers are two, and a lossy decoder may round otherwise."""
MAX_LENGTH_DIFFERENCE_MS = 30

pytestmark = pytest.mark.skipif(FFMPEG is None, reason="ffmpeg is not on PATH: nothing to compare with")

Defect = Callable[[Path], Path]


def nothing(path: Path) -> Path:
    return path


def joined(path: Path) -> Path:
    path.write_bytes(path.read_bytes() * 2)
    return path


def tagged(path: Path) -> Path:
    path.write_bytes(b"ID3\3\0\0\0\0\1\x14" + bytes(148) + path.read_bytes())
    return path


def played(path: Path, channels: int = 1) -> Sound:
    """16 kHz mono as ffmpeg gives it: the mean of the channels, as here, and not its own louder downmix."""
    mean = ["-af", "pan=mono|c0=" + "+".join(f"{1 / channels}*c{number}" for number in range(channels))]
    command = [str(FFMPEG), "-v", "quiet", "-i", str(path), "-map", "0:a:0", *mean]
    command += ["-ar", "16000", "-f", "f32le", "-"]
    return np.frombuffer(subprocess.run(command, capture_output=True, check=False).stdout, np.float32)


def read(path: Path) -> tuple[Sound, list[str]]:
    with decode_recording(path, DecodeConfig()) as recording:
        reasons = [shortfall.reason for shortfall in recording.shortfalls]
        return recording.waveform.read(0, recording.waveform.num_samples), reasons


def difference_db(ours: Sound, theirs: Sound) -> float:
    count = min(len(ours), len(theirs)) - 400
    apart = float(np.mean((ours[400:count] - theirs[400:count]) ** 2))
    return 10 * float(np.log10(max(apart, 1e-12) / np.mean(theirs[400:count] ** 2)))


def a_melody(rate_hz: int, channels: int) -> Sound:
    """Two seconds of tones that every resampler passes, other ones on other channels."""
    parts = [
        [a_tone(0.5, rate_hz, 300.0 * (2 + step + channel), gain=0.2) for step in range(4)]
        for channel in range(channels)
    ]
    return np.concatenate([np.concatenate(part, axis=1) for part in parts])


FORMATS = {**EXACT_FORMATS, **DELAYED_FORMATS}
JOINED = ("mp3", "aac", "ac3", "flac")
TAGGED = ("mp3", "flac", "aac")
CASES = [
    *((suffix, rate_hz, channels, nothing) for suffix in FORMATS for rate_hz, channels in ((48_000, 1), (44_100, 2))),
    *((suffix, 48_000, 1, joined) for suffix in JOINED),
    *((suffix, 48_000, 2, tagged) for suffix in TAGGED),
]


@pytest.mark.parametrize(("suffix", "rate_hz", "channels", "defect"), CASES)
def test_ffmpeg_plays_what_is_read(tmp_path: Path, suffix: str, rate_hz: int, channels: int, defect: Defect) -> None:
    if suffix in ("webm", "opus") and rate_hz != 48_000:
        pytest.skip("Opus knows 48 kHz alone")
    path = defect(FORMATS[suffix](tmp_path / f"x.{suffix}", a_melody(rate_hz, channels), rate_hz))
    ours, reasons = read(path)
    theirs = played(path, channels)
    assert len(theirs) > 16_000
    assert len(ours) >= len(theirs) - 16 * MAX_LENGTH_DIFFERENCE_MS
    if defect is joined:
        # Around the seam ffmpeg itself loses a frame or two.
        ours, theirs = ours[:28_000], theirs[:28_000]
    else:
        assert len(ours) <= len(theirs) + 16 * MAX_LENGTH_DIFFERENCE_MS
        assert not reasons
    assert difference_db(ours, theirs) < MAX_DIFFERENCE_DB


@pytest.mark.parametrize("suffix", ["mp3", "flac", "wav", "aac", "ac3", "ts", "mka", "opus", "ogg", "tta", "wv"])
@pytest.mark.parametrize("defect", [cut_off, spoil])
def test_of_a_damaged_file_no_less_is_read_or_a_row_says_so(tmp_path: Path, suffix: str, defect: Defect) -> None:
    path = defect(FORMATS[suffix](tmp_path / f"x.{suffix}", a_melody(48_000, 1), 48_000))
    try:
        ours, reasons = read(path)
    except DecodeError:
        return  # the recording's one row in `rejected` says so
    assert len(ours) >= len(played(path)) - 16 * MAX_LENGTH_DIFFERENCE_MS or reasons
