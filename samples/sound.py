"""Sound in and out of the sample scripts: rendering with fluidsynth, resampling, and the files' formats.

Samples are float32, (num_samples, channels), in [-1, 1].
"""

from __future__ import annotations

import subprocess
import tempfile
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from samples.midi import midi_bytes
from samples.score import Score

Samples = NDArray[np.float32]

SOUNDFONT = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")
"""Fluid R3 GM (MIT), from Debian's fluid-soundfont-gm."""
RENDER_RATE_HZ = 44_100
RENDER_PEAK_DBFS = -3.0

_FADE_MS = 400
_KBPS = {".mp3": 96, ".m4a": 80, ".opus": 32}


def read_sound(path: Path) -> tuple[Samples, int]:
    """The samples of a file and their rate in Hz."""
    samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    return samples, rate_hz


def render(score: Score, soundfont: Path = SOUNDFONT) -> Samples:
    """The piece as fluidsynth plays it: stereo at RENDER_RATE_HZ, exactly as long as the score says, at a fixed peak.

    Raises subprocess.CalledProcessError where fluidsynth fails; it must be version 2.
    """
    with tempfile.TemporaryDirectory() as folder:
        midi, wave = Path(folder, "score.mid"), Path(folder, "score.wav")
        midi.write_bytes(midi_bytes(score))
        options = ["-ni", "-q", "-T", "wav", "-O", "float", "-r", str(RENDER_RATE_HZ), "-g", "0.5"]
        command = ["fluidsynth", *options, "-o", "synth.cpu-cores=1", "-F", str(wave), str(soundfont), str(midi)]
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603
        samples, _ = read_sound(wave)
    length = score.duration_ms * RENDER_RATE_HZ // 1000
    samples = np.pad(samples, ((0, max(0, length - len(samples))), (0, 0)))[:length]
    fade = np.linspace(1.0, 0.0, _FADE_MS * RENDER_RATE_HZ // 1000, dtype=np.float32)
    samples[-len(fade) :] *= fade[:, None]
    return samples * np.float32(10 ** (RENDER_PEAK_DBFS / 20) / np.abs(samples).max())


def resampled(samples: Samples, rate_hz: int, new_rate_hz: int) -> Samples:
    if rate_hz == new_rate_hz:
        return samples
    return np.asarray(soxr.resample(samples, rate_hz, new_rate_hz, quality="VHQ"), dtype=np.float32)


def write_sound(path: Path, samples: Samples, rate_hz: int) -> None:
    """Writes what the suffix says: .wav and .flac with 16 bits, .mp3, .m4a (AAC) or .opus."""
    if path.suffix in (".wav", ".flac"):
        soundfile.write(path, samples, rate_hz, subtype="PCM_16")
    elif path.suffix == ".mp3":
        _encode(path, samples, rate_hz, "libmp3lame", "fltp")
    elif path.suffix == ".m4a":
        _encode(path, samples, rate_hz, "aac", "fltp")
    elif path.suffix == ".opus":
        _encode(path, samples, rate_hz, "libopus", "flt")
    else:
        raise ValueError(f"no encoder is known for {path.name}")


def _encode(path: Path, samples: Samples, rate_hz: int, codec: str, sample_format: str) -> None:
    """Encodes with FFmpeg; `bitexact` keeps random serial numbers and version texts out of the file."""
    layout = "mono" if samples.shape[1] == 1 else "stereo"
    planar = sample_format.endswith("p")
    block = np.ascontiguousarray(samples.T if planar else samples.reshape(1, -1))
    frame = av.AudioFrame.from_ndarray(block, format=sample_format, layout=layout)
    frame.sample_rate = rate_hz
    frame.pts, frame.time_base = 0, Fraction(1, rate_hz)
    options = {"fflags": "+bitexact"}
    with av.open(str(path), "w", options=options, container_options=options) as container:
        stream = container.add_stream(codec, rate=rate_hz, options={"flags": "+bitexact"})
        assert isinstance(stream, av.AudioStream)
        stream.layout = layout
        stream.bit_rate = _KBPS[path.suffix] * 1000
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
