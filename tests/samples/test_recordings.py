"""The recordings are small, decode, and carry their licences."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from samples.make_samples import manifest_row, read_catalogue
from tests.samples.audio import RECORDINGS, SAMPLES, decode, read_lines

MANIFEST = {row["uri"]: row for row in read_lines(SAMPLES / "manifest.jsonl")}
ATTRIBUTION = (SAMPLES / "ATTRIBUTION.md").read_text(encoding="utf-8")
LICENCES = {"CC-BY-3.0", "CC-BY-4.0", "CC-BY-SA-3.0", "CC-BY-SA-4.0", "CC0-1.0"}

each_recording = pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.name)


def attribution_cells(name: str) -> list[str]:
    """The cells of the one table row of ATTRIBUTION.md about a recording."""
    (row,) = [line for line in ATTRIBUTION.splitlines() if line.startswith(f"| `{name}` |")]
    return [cell.strip() for cell in row.strip("|").split("|")]


def test_the_whole_folder_is_under_4_mb() -> None:
    files = [path for path in SAMPLES.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert sum(path.stat().st_size for path in files) < 4_000_000


def test_the_manifest_lists_the_recordings_and_nothing_else() -> None:
    assert {SAMPLES / uri for uri in MANIFEST} == set(RECORDINGS)


def test_the_manifest_is_what_the_catalogue_says() -> None:
    assert list(MANIFEST.values()) == [manifest_row(entry) for entry in read_catalogue()]


@each_recording
def test_a_recording_has_a_licence_and_an_author_in_the_manifest(path: Path) -> None:
    row = MANIFEST[f"recordings/{path.name}"]
    assert row["license"] in LICENCES
    assert row["attribution"]
    assert row["id"] == path.stem


@each_recording
def test_the_attribution_agrees_with_the_manifest(path: Path) -> None:
    row = MANIFEST[f"recordings/{path.name}"]
    _, _, licence, attribution, changes = attribution_cells(path.name)
    assert licence == row["license"]
    if path.name != "scene.flac":  # whose authors have a section of their own
        assert (attribution, changes) == (row["attribution"], row["changes"])


def test_every_source_of_the_scene_is_attributed_there() -> None:
    section = ATTRIBUTION.split("## The scene")[1].split("\n## ")[0]
    for author in ("Allison Smith", "AMI Meeting Corpus", "Tim/corsica_s", "horsthorstensen", "Bukvic", "Boulanger"):
        assert author in section
        assert author in MANIFEST["recordings/scene.flac"]["attribution"]


@each_recording
def test_a_recording_decodes_whole_and_is_no_silence(path: Path) -> None:
    truth = {Path(row["file"]).name: row["duration"] for name in ("clips", "scenes") for row in read_truth(name)}
    samples = decode(path)
    assert len(samples) / 16_000 == pytest.approx(truth[path.name], abs=0.06)
    assert 0.05 < abs(samples).max() <= 1.0


def read_truth(name: str) -> list[dict[str, str]]:
    return read_lines(SAMPLES / "truth" / f"{name}.jsonl")


def test_the_recordings_show_several_formats() -> None:
    formats, rates, channels = set(), set(), set()
    for path in RECORDINGS:
        with av.open(str(path)) as container:
            stream = container.streams.audio[0]
            formats.add((container.format.name.split(",")[0], stream.codec_context.name))
            rates.add(stream.rate)
            channels.add(stream.channels)
    assert {name for name, _ in formats} >= {"flac", "wav", "mp3", "mov", "ogg"}
    assert rates >= {8_000, 16_000, 44_100, 48_000}
    assert channels == {1, 2}
