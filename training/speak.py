"""Synthetic speech in many languages: `python -m training.speak OUTPUT --clips 400`, with espeak-ng.

Numbers and made-up words, which every voice can read; each clip another language, voice, pitch and speed. OUTPUT
becomes a labelled folder as `training.collect` makes it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import soundfile
import soxr

RATE_HZ = 16_000
LANGUAGES = (
    "af", "am", "ar", "az", "bg", "bn", "bs", "ca", "cmn", "cs", "cy", "da", "de", "el", "en-gb", "en-us",
    "eo", "es", "et", "eu", "fa", "fi", "fr-fr", "ga", "gu", "he", "hi", "hr", "hu", "hy", "id", "is", "it",
    "ja", "ka", "kn", "ko", "ku", "la", "lt", "lv", "mk", "ml", "mr", "ms", "ne", "nl", "nb", "or", "pa",
    "pl", "pt", "pt-br", "ro", "ru", "sk", "sl", "sq", "sr", "sv", "sw", "ta", "te", "th", "tr", "uk", "ur",
    "vi",
)  # fmt: skip
VARIANTS = ("", "+f1", "+f2", "+f3", "+f4", "+m1", "+m2", "+m3", "+m4", "+m5", "+m6", "+m7", "+croak", "+whisper")
CONSONANTS, VOWELS = "bdfgklmnprstvz", "aeiou"


def random_text(rng: np.random.Generator) -> str:
    """A few numbers and words, with commas that make the voice pause."""
    words = []
    for _ in range(int(rng.choice([1, 2, 3, 5, 8, 12]))):
        if rng.random() < 0.4:
            words.append(str(int(10 ** rng.uniform(0, 4))))
        else:
            syllables = (rng.choice(list(CONSONANTS)) + rng.choice(list(VOWELS)) for _ in range(rng.integers(1, 5)))
            words.append("".join(syllables))
        if rng.random() < 0.2:
            words[-1] += ","
    return " ".join(words)


def say(rng: np.random.Generator, language: str) -> np.ndarray:
    """One utterance (num_samples,) at RATE_HZ."""
    voice = language + str(rng.choice(VARIANTS))
    pitch, speed = str(int(rng.uniform(15, 85))), str(int(rng.uniform(110, 220)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "said.wav")
        command = ["espeak-ng", "-v", voice, "-p", pitch, "-s", speed, "-w", str(path), random_text(rng)]
        subprocess.run(command, check=True, capture_output=True)
        samples, rate_hz = soundfile.read(path, dtype="float32")
    resampled: np.ndarray = soxr.resample(samples, rate_hz, RATE_HZ)
    return resampled


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path)
    parser.add_argument("--clips", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    (options.output / "clips").mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(options.seed)
    with (options.output / "clips.jsonl").open("w") as lines:
        for index in range(options.clips):
            language = LANGUAGES[index % len(LANGUAGES)]
            samples = say(rng, language)
            if np.abs(samples).max(initial=0.0) > 1e-3:
                file = f"clips/espeak-{index:04d}.flac"
                soundfile.write(options.output / file, samples, RATE_HZ)
                row = {"file": file, "label": "speech", "collection": "espeak", "lang": language}
                lines.write(json.dumps(row | {"duration": round(len(samples) / RATE_HZ, 2)}) + "\n")


if __name__ == "__main__":
    main()
