"""Labelled clips out of collections that Debian packages: `python -m training.collect OUTPUT --packages FOLDER`.

`FOLDER` holds the packages named in README.md, unpacked with `dpkg -x`, their archives (0ad's public.zip, warzone's
base.wz) unzipped beside them under `0ad` and `warzone2100`. OUTPUT becomes a labelled folder: clips.jsonl and 16 kHz
mono FLAC, each clip with the collection that it is from, so that whole collections can be kept out of training.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

RATE_HZ = 16_000
EXCERPT_S = 20


@dataclass(frozen=True)
class Source:
    """Files of one collection with one label; of more than `max_files`, evenly spread ones are taken."""

    collection: str
    label: str
    patterns: tuple[str, ...]
    max_files: int = 150
    excerpts: int = 0
    """0 for whole files of at most EXCERPT_S; else so many excerpts of that length from each."""
    language: str | None = None


ASTERISK = {"es": "es_MX_f_Allison", "it": "it_IT_m_Carlo", "fr": "fr_CA_f_June", "ru": "ru_RU_f_IvrvoiceRU"}
KLETTRES = (
    "ar", "cs", "da", "de", "en", "en_GB", "es", "fr", "he", "hu", "it", "lt", "ml", "nb", "nds", "nl",
    "pt_BR", "ru", "tn", "uk",
)  # fmt: skip
ZERO_AD_SOUNDS = (
    "actor/fauna", "actor/gate", "actor/human/movement", "actor/mounted", "actor/ship", "actor/singlesteps",
    "attack/fire", "attack/siege", "attack/weapon", "attack/destruction", "resource/construction", "resource/farming",
    "resource/foraging", "resource/gathering", "resource/lumbering", "resource/mining",
)  # fmt: skip
WARZONE_VOICES = ("coltive", "countdown", "memressp", "taunts", "trnsppil", "tutorial", "vtoltalk")
SOURCES = (
    *(
        Source(f"asterisk-{code}", "speech", (f"**/asterisk/sounds/{folder}/**/*.g722",), 250, language=code)
        for code, folder in ASTERISK.items()
    ),
    *(Source(f"klettres-{code}", "speech", (f"**/klettres/{code}/**/*.ogg",), 36, language=code) for code in KLETTRES),
    Source("warzone-voices", "speech", tuple(f"warzone2100/audio/{name}/**/*.ogg" for name in WARZONE_VOICES), 220),
    Source("warzone-sounds", "general", ("warzone2100/audio/sfx/**/*.ogg",)),
    Source("0ad-voices", "speech", ("0ad/audio/voice/*/civ/**/*.ogg",)),
    Source("0ad-sounds", "general", tuple(f"0ad/audio/{name}/**/*.ogg" for name in ZERO_AD_SOUNDS), 420),
    Source("0ad-ambient", "bed", ("0ad/audio/ambient/**/*.ogg",), excerpts=2),
    Source("0ad-music", "music", ("0ad/audio/music/**/*.ogg",), excerpts=2),
    Source("widelands-sounds", "general", ("**/widelands/data/sound/*/**/*.ogg",)),
    Source("widelands-music", "music", ("**/widelands/data/music/*.ogg",), excerpts=4),
    Source("lincity-sounds", "general", ("**/lincity-ng/sounds/*.wav",)),
    Source("lincity-music", "music", ("**/lincity-ng/music/default/*.ogg",), excerpts=10),
    Source("hydrogen-drums", "hit", ("**/hydrogen/data/drumkits/*/*.flac", "**/hydrogen/data/drumkits/*/*.wav"), 400),
)
"""`bed` and `hit` are no labels of events: they are what `training.scenes` lays under, and what it plays rhythms on."""


def read_clips(files: list[Path], source: Source) -> Iterator[tuple[Path, np.ndarray]]:
    """Each clip of 16 kHz mono (num_samples,); files that cannot be read are left out."""
    if files and files[0].suffix == ".g722":
        yield from zip(files, _decode_g722(files), strict=True)
        return
    for path in files:
        try:
            with soundfile.SoundFile(path) as opened:
                for start in _starts(opened, source.excerpts):
                    opened.seek(start)
                    samples = opened.read(EXCERPT_S * opened.samplerate, dtype="float32", always_2d=True).mean(axis=1)
                    yield path, soxr.resample(samples, opened.samplerate, RATE_HZ)
        except soundfile.LibsndfileError:
            print(f"cannot read {path}", flush=True)


def _starts(opened: soundfile.SoundFile, excerpts: int) -> list[int]:
    room = opened.frames - EXCERPT_S * opened.samplerate
    return [0] if not excerpts or room <= 0 else [int(room * (i + 1) / (excerpts + 1)) for i in range(excerpts)]


def _decode_g722(files: list[Path]) -> list[np.ndarray]:
    """All files in one call: a byte of G.722 at 64 kbit/s is two samples, so the answer can be cut by their sizes."""
    contents = [path.read_bytes() for path in files]
    command = ["ffmpeg", "-v", "quiet", "-f", "g722", "-i", "-", "-f", "s16le", "-"]
    answer = subprocess.run(command, check=True, capture_output=True, input=b"".join(contents)).stdout
    samples = np.frombuffer(answer, dtype=np.int16).astype(np.float32) / 2**15
    return np.split(samples, np.cumsum([2 * len(content) for content in contents])[:-1])


def collect(source: Source, packages: Path, output: Path) -> list[dict[str, object]]:
    files = sorted({path for pattern in source.patterns for path in packages.glob(pattern)})
    if len(files) > source.max_files:
        files = [files[index] for index in np.linspace(0, len(files) - 1, source.max_files).astype(int)]
    rows: list[dict[str, object]] = []
    excerpts: Counter[Path] = Counter()
    for path, samples in read_clips(files, source):
        if len(samples) < RATE_HZ // 20 or np.abs(samples).max(initial=0) < 2e-3:
            continue
        name = re.sub(r"[^A-Za-z0-9_]+", "_", path.stem)
        file = f"clips/{source.collection}-{len(rows):03d}-{name}-{excerpts[path]}.flac"
        excerpts[path] += 1
        soundfile.write(output / file, samples, RATE_HZ)
        row = {"file": file, "label": source.label, "collection": source.collection}
        row["duration"] = round(len(samples) / RATE_HZ, 2)
        rows.append(row | ({"lang": source.language} if source.language else {}))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path)
    parser.add_argument("--packages", type=Path, required=True)
    options = parser.parse_args()
    (options.output / "clips").mkdir(parents=True, exist_ok=True)
    with (options.output / "clips.jsonl").open("w") as lines:
        for source in SOURCES:
            rows = collect(source, options.packages, options.output)
            print(f"{source.collection}: {len(rows)} clips", flush=True)
            lines.writelines(json.dumps(row) + "\n" for row in rows)


if __name__ == "__main__":
    main()
