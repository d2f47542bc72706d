"""The Python API gives what the tables hold; tests of the documentation run the examples of docs/python.md."""

from __future__ import annotations

import base64
import html
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

import soundseam
from soundseam.pipeline.config import SetupError
from tests.support.corpora import ROOT

BELL = ROOT / "samples" / "recordings" / "sound-bell.flac"


def test_importing_the_package_imports_nothing_else() -> None:
    code = "import sys, soundseam; print([name for name in sys.modules if name.startswith('soundseam.')])"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_every_name_of_the_api_is_there() -> None:
    assert all(getattr(soundseam, name) for name in soundseam.__all__)
    with pytest.raises(AttributeError):
        soundseam.no_such_name  # noqa: B018


def test_segmenting_a_file_gives_the_audio_of_its_interval() -> None:
    found = soundseam.segment_file(BELL)
    assert found.recording is not None
    assert found.segments
    for segment in found.segments:
        assert len(soundseam.decoded(segment)) == (segment.end_ms - segment.start_ms) * 16


def test_a_file_that_is_no_audio_is_rejected_and_raises_nothing(tmp_path: Path) -> None:
    (tmp_path / "page.wav").write_bytes(b"<html>not found</html>")
    found = soundseam.segment_file(tmp_path / "page.wav")
    assert (found.recording, found.segments) == (None, ())
    assert [row.reason for row in found.rejected] == ["not_audio"]


def test_a_corpus_reads_back_as_rows_records_tables_and_segments(sample_corpus: Path, tmp_path: Path) -> None:
    corpus = soundseam.open_corpus(sample_corpus)
    rows = list(corpus.rows("captions", ["segment_id", "caption"]))
    assert len(rows) == corpus.inspect().captions == len(list(corpus.records("captions")))
    assert corpus.table("captions", ["segment_id"]).column_names == ["segment_id"]
    view = corpus.segment(str(rows[0]["segment_id"]))
    assert view.caption is not None
    assert view.caption.caption == rows[0]["caption"]
    assert {row.segment_id for row in view.annotations} == {view.segment.segment_id}
    soundseam.write_audio(view.segment, tmp_path / "one.wav")
    written, rate = soundfile.read(tmp_path / "one.wav", dtype="float32")
    assert rate == 16_000
    assert np.allclose(written, view.samples, atol=1e-4)
    assert corpus.captions()[view.segment.segment_id] == view.caption.caption
    with pytest.raises(KeyError):
        corpus.segment("no-such-segment")


def test_a_notebook_shows_numbers_and_a_player(sample_corpus: Path) -> None:
    corpus = soundseam.open_corpus(sample_corpus)
    assert f"<th>captions</th><td>{corpus.inspect().captions}</td>" in corpus._repr_html_()
    segment_id, caption = next(iter(corpus.captions().items()))
    shown = corpus.segment(segment_id)._repr_html_()
    assert html.escape(caption) in shown
    audio = base64.b64decode(shown.partition("base64,")[2].partition('"')[0])
    assert audio == corpus.segment(segment_id).segment.audio.bytes


def test_a_folder_without_a_corpus_is_wrong_set_up(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="no corpus"):
        soundseam.open_corpus(tmp_path)
