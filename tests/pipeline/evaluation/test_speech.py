from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import soundfile
from typer.testing import CliRunner

from soundseam.annotators.base import BackendUnavailableError, InMemory
from soundseam.annotators.chat.endpoint import Endpoint
from soundseam.annotators.detection.silero_vad import SileroVad
from soundseam.annotators.grammar.composer import SpeechCaption
from soundseam.annotators.speech.agreement import TranscriptAgreement
from soundseam.annotators.speech.diarization import PyannoteDiarization
from soundseam.annotators.speech.paralinguistics import ParalinguisticsByModel
from soundseam.annotators.speech.pocketsphinx import Pocketsphinx
from soundseam.annotators.speech.pocketsphinx_alignment import PocketsphinxAlignment
from soundseam.annotators.speech.voice import VoiceMeasures
from soundseam.pipeline.commands.cli import app
from soundseam.pipeline.evaluation.labelled import LabelledFolderError, read_list
from soundseam.pipeline.evaluation.speech import (
    SpokenClip,
    evaluate_speech,
    transcribing,
    word_time_errors_ms,
)
from soundseam.pipeline.evaluation.spoken import SpokenSpan
from soundseam.schemas.speech import Word
from tests.annotators.speech.builders import RATE_HZ, a_clip, read_sample

pytest.importorskip("whisper_normalizer")
pytest.importorskip("whisper_normalizer")

SAMPLES = Path(__file__).parents[3] / "samples"


def a_folder(folder: Path, *lines: dict[str, object]) -> Path:
    (folder / "clips.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    return folder


def test_backends_are_scored_side_by_side_in_their_order(tmp_path: Path) -> None:
    pytest.importorskip("pocketsphinx")
    soundfile.write(tmp_path / "a.flac", read_sample("speech-congratulations.opus")[: 4_500 * 16], RATE_HZ)
    folder = a_folder(
        tmp_path,
        {"file": "a.flac", "label": "speech", "text": "Congratulations. You have successfully installed", "lang": "en"},
        {"file": "horse.flac", "label": "general", "text": "A horse."},
        {"file": "unknown.flac", "label": "speech", "text": None},
    )
    backends = (Pocketsphinx(), TranscriptAgreement(), PocketsphinxAlignment())
    evaluation = evaluate_speech(folder, backends, SileroVad())
    heard, agreed, aligned = evaluation.backends
    assert evaluation.recordings == 1
    assert [scores.backend for scores in evaluation.backends] == ["pocketsphinx", "agreement", "pocketsphinx_alignment"]
    assert heard.word_error_rate is not None
    assert heard.character_error_rate is not None
    assert 0 < heard.word_error_rate <= 0.6, "it heard a word or two more than the text has"
    assert heard.character_error_rate <= heard.word_error_rate
    assert agreed.word_error_rate == heard.word_error_rate
    assert heard.coverage == agreed.coverage
    assert agreed.coverage is not None
    assert agreed.coverage > 0.9
    assert agreed.usable_share == 0.0
    assert aligned.word_error_rate is None
    assert aligned.time_source_difference_ms is None, "it was told a wrong text"


def test_two_sources_of_times_are_held_against_each_other_where_the_text_is_right(tmp_path: Path) -> None:
    pytest.importorskip("pocketsphinx")
    soundfile.write(tmp_path / "a.flac", read_sample("speech-congratulations.opus")[: 4_500 * 16], RATE_HZ)
    samples = soundfile.read(tmp_path / "a.flac", dtype="float32")[0]
    spans = [event.span for event in SileroVad().load().detect(InMemory(samples)).events]
    heard = Pocketsphinx().load().annotate([a_clip(samples, *spans)])
    assert heard[0].transcript is not None
    folder = a_folder(tmp_path, {"file": "a.flac", "label": "speech", "text": heard[0].transcript.text, "lang": "en"})
    backends = (Pocketsphinx(), TranscriptAgreement(), PocketsphinxAlignment())
    right, _, aligned = evaluate_speech(folder, backends, SileroVad()).backends
    assert right.word_error_rate == 0.0
    assert aligned.time_source_difference_ms is not None
    assert aligned.time_source_difference_ms < 30


def test_word_times_are_judged_only_where_the_words_are_right() -> None:
    words = [Word(text="Good", start_ms=110, end_ms=400, confidence=None)]
    assert word_time_errors_ms(words, [SpokenSpan(text="good", onset=0.1, offset=0.42)]) == [10.0, 20.0]
    assert word_time_errors_ms(words, [SpokenSpan(text="bad", onset=0.1, offset=0.42)]) == []


def test_a_folder_without_a_list_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LabelledFolderError, match=r"clips\.jsonl"):
        list(read_list(tmp_path / "clips.jsonl", SpokenClip))


def test_a_line_that_does_not_fit_is_named(tmp_path: Path) -> None:
    folder = a_folder(tmp_path, {"file": "a.wav"}, {"text": "no file"})
    with pytest.raises(LabelledFolderError, match="line 2"):
        list(read_list(folder / "clips.jsonl", SpokenClip))


def test_what_composes_captions_is_not_evaluated_and_what_is_missing_is_left_out_if_it_may_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    voice, caption, recogniser = VoiceMeasures(), SpeechCaption(), Pocketsphinx(optional=True)
    monkeypatch.setitem(sys.modules, "pocketsphinx", None)
    assert transcribing([recogniser, voice, caption]) == [voice]
    with pytest.raises(BackendUnavailableError):
        transcribing([Pocketsphinx(), voice])


def test_only_what_has_to_do_with_words_and_voices_is_asked_about_texts() -> None:
    backends = (PyannoteDiarization(weights=str(SAMPLES)), ParalinguisticsByModel(), VoiceMeasures(), SpeechCaption())
    assert transcribing([one for one in backends if one.kind in ("voice", "speech_caption")]) == [backends[2]]
    served = backends[1].model_copy(update={"server": Endpoint(model="tiny")})
    assert transcribing([served, backends[2]]) == [backends[2]]


def test_the_command_prints_the_backends_of_the_profile_side_by_side() -> None:
    pytest.importorskip("pocketsphinx")
    speech = "branches.speech=[{kind: pocketsphinx}, {kind: voice}]"
    outcome = CliRunner().invoke(app, ["evaluate", "speech", str(SAMPLES / "truth"), "--set", speech])
    assert outcome.exit_code == 0, outcome.output
    assert "pocketsphinx" in outcome.output
    assert "word error rate" in outcome.output
    assert "one speaker" in outcome.output
    assert "diarization error rate" in outcome.output


def test_a_folder_that_is_not_in_the_format_is_a_wrong_set_up(tmp_path: Path) -> None:
    outcome = CliRunner().invoke(app, ["evaluate", "speech", str(tmp_path)])
    assert outcome.exit_code == 2
    assert "clips.jsonl" in outcome.output
