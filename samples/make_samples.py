"""Makes recordings/, truth/ and manifest.jsonl.

    python -m samples.make_samples SOURCES

SOURCES is a folder with the speech and sounds that catalogue.yaml and scene.yaml name; ATTRIBUTION.md says where they
come from. The music is rendered from scores/ and needs Debian's fluidsynth and fluid-soundfont-gm. The same sources
and the same library versions give the same bytes.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Literal

import yaml
from pydantic import Field, JsonValue

from samples.scene import SceneTruth, Turn, mix_scene, parse_rttm, read_scene
from samples.score import LabelledSpan, read_score, truth_of
from samples.sound import RENDER_RATE_HZ, Samples, read_sound, render, resampled, write_sound
from soundseam.schemas.record import Record

HERE = Path(__file__).parent
MEETING_TURNS = "speech-meeting-ami.rttm"
_QUALITIES = {"": "maj", "m": "min", "7": "7", "m7": "min7", "maj7": "maj7"}


class Entry(Record):
    """One recording of catalogue.yaml."""

    file: str
    source: str | None = Field(default=None, alias="from")
    """None for the scene."""
    rate_hz: int | None = None
    """The source's own where None."""
    title: str
    cls: Literal["speech", "music", "general", "mixed"]
    language: str | None = None
    text: str | None = None
    """What is said, or what it is."""
    license: str
    attribution: str
    changes: str

    @property
    def id(self) -> str:
        return Path(self.file).stem


class Sources:
    """Reads the source recordings and renders the scores, each once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read = cache(self._read_once)

    def read(self, name: str) -> tuple[Samples, int]:
        """Samples (num_samples, channels) and rate in Hz of a file of the folder, or of a score."""
        return self._read(name)

    def turns(self, name: str) -> tuple[Turn, ...]:
        return parse_rttm(self._folder.joinpath(name).read_text(encoding="utf-8"))

    def _read_once(self, name: str) -> tuple[Samples, int]:
        if name.startswith("scores/"):
            return render(read_score(HERE / name)), RENDER_RATE_HZ
        return read_sound(self._folder / name)


def read_catalogue() -> tuple[Entry, ...]:
    """The entries of catalogue.yaml."""
    data = yaml.safe_load((HERE / "catalogue.yaml").read_text(encoding="utf-8"))
    return tuple(Entry.model_validate(entry) for entry in data["recordings"])


def manifest_row(entry: Entry) -> dict[str, JsonValue]:
    """What a run is told about a recording; the `uri` is relative to the manifest's folder."""
    row = {"uri": f"recordings/{entry.file}", "id": entry.id, "license": entry.license}
    if entry.language is not None:
        row["language"] = entry.language
    return {**row, "title": entry.title, "attribution": entry.attribution, "changes": entry.changes}


def piece_rows() -> Iterator[dict[str, JsonValue]]:
    """The truth of each rendered piece, as `soundseam evaluate music` reads it."""
    for entry in read_catalogue():
        if entry.source is not None and entry.source.startswith("scores/"):
            truth = truth_of(read_score(HERE / entry.source), _from_truth(entry.file))
            yield {
                "file": truth.file,
                "key": truth.key,
                "tempo_bpm": truth.tempo_bpm,
                "beats_per_bar": int(truth.meter.split("/")[0]),
                "beats_ms": list(truth.beats_ms),
                "downbeats_ms": list(truth.downbeats_ms),
                "chords": [_placed(span, _in_harte_notation(span.label)) for span in truth.chords],
                "sections": [_placed(span, span.label) for span in truth.sections],
            }


def _placed(span: LabelledSpan, label: str) -> dict[str, JsonValue]:
    return {"start_ms": span.onset_ms, "end_ms": span.offset_ms, "label": label}


def _in_harte_notation(chord: str) -> str:
    """A:min for Am."""
    root = chord[: 2 if chord[1:2] in ("#", "b") else 1]
    return f"{root}:{_QUALITIES[chord[len(root) :]]}"


def make_samples(sources: Sources, output: Path) -> None:
    """Writes recordings/, truth/, scores/*.json and manifest.jsonl into `output`."""
    for folder in ("recordings", "truth", "scores"):
        output.joinpath(folder).mkdir(parents=True, exist_ok=True)
    catalogue = read_catalogue()
    durations = {entry.file: _write_recording(entry, sources, output) for entry in catalogue}
    _write_lines(output / "manifest.jsonl", (manifest_row(entry) for entry in catalogue))
    single = [entry for entry in catalogue if entry.cls != "mixed"]
    _write_lines(output / "truth/clips.jsonl", (_clip_row(entry, durations[entry.file]) for entry in single))
    _write_lines(
        output / "truth/transcripts.jsonl",
        (
            {"file": _from_truth(entry.file), "language": entry.language, "text": entry.text}
            for entry in single
            if entry.cls == "speech" and entry.text is not None
        ),
    )
    _write_lines(output / "truth/pieces.jsonl", piece_rows())
    _write_meeting_turns(sources.turns(MEETING_TURNS), output / "truth")


def _write_recording(entry: Entry, sources: Sources, output: Path) -> float:
    """Writes one recording, and the truth of the scene or of a piece with it. Returns its duration in seconds."""
    path = output / "recordings" / entry.file
    if entry.source is None:
        scene = read_scene(HERE / "scene.yaml")
        samples, events = mix_scene(scene, sources.read, sources.turns)
        truth = SceneTruth(file=_from_truth(entry.file), duration=scene.duration, bed="quiet", events=events)
        _write_lines(output / "truth/scenes.jsonl", [truth.model_dump(mode="json")])
        write_sound(path, samples, 16_000)
        return scene.duration
    samples, rate_hz = sources.read(entry.source)
    if entry.source.startswith("scores/"):
        music = truth_of(read_score(HERE / entry.source), f"../recordings/{entry.file}")
        text = json.dumps(music.model_dump(mode="json"), ensure_ascii=False)
        output.joinpath(entry.source).with_suffix(".json").write_text(text + "\n", encoding="utf-8")
    new_rate_hz = entry.rate_hz or rate_hz
    write_sound(path, resampled(samples, rate_hz, new_rate_hz), new_rate_hz)
    return round(len(samples) / rate_hz, 3)


def _clip_row(entry: Entry, duration_s: float) -> dict[str, JsonValue]:
    return {
        "file": _from_truth(entry.file),
        "label": entry.cls,
        "text": entry.text,
        "lang": entry.language,
        "duration": duration_s,
    }


def _write_meeting_turns(turns: tuple[Turn, ...], folder: Path) -> None:
    """The turns once as RTTM and once as JSON Lines."""
    rttm = "".join(
        f"SPEAKER meeting 1 {turn.onset:.3f} {turn.offset - turn.onset:.3f} <NA> <NA> {turn.speaker} <NA> <NA>\n"
        for turn in turns
    )
    folder.joinpath("meeting.rttm").write_text(rttm, encoding="utf-8")
    rows: list[JsonValue] = [dict(turn._asdict()) for turn in turns]
    _write_lines(folder / "ami.jsonl", [{"file": _from_truth("meeting.flac"), "turns": rows}])


def _from_truth(file: str) -> str:
    return f"../recordings/{file}"


def _write_lines(path: Path, rows: Iterable[dict[str, JsonValue]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", type=Path, help="folder with the source recordings")
    parser.add_argument("--output", type=Path, default=HERE, help="where to write (default: this folder)")
    arguments = parser.parse_args()
    make_samples(Sources(arguments.sources), arguments.output)


if __name__ == "__main__":
    main()
