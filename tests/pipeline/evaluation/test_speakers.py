from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from soundseam.annotators.detection.silero_vad import SileroVad
from soundseam.annotators.speech.onnx_diarization import OnnxDiarization
from soundseam.annotators.speech.voice import VoiceMeasures
from soundseam.pipeline.evaluation.labelled import Conversation, LabelledFolderError, read_labelled_folder
from soundseam.pipeline.evaluation.speakers import ONE_SPEAKER, diarizing, evaluate_speakers
from soundseam.pipeline.evaluation.speech import speech_tables
from tests.annotators.speech.builders import RATE_HZ, read_sample
from tests.annotators.speech.tiny import diarizen

pytest.importorskip("pyannote.metrics")


def a_conversation(folder: Path, seconds: list[float], turns: list[tuple[str, float, float]]) -> list[Conversation]:
    """One second of sound for each of `seconds`: the stand-in for diarization takes offsets for voices."""
    soundfile.write(folder / "a.flac", np.repeat(np.array(seconds, np.float32), RATE_HZ), RATE_HZ)
    line = {"file": "a.flac", "turns": [{"speaker": who, "onset": on, "offset": off} for who, on, off in turns]}
    (folder / "ami.jsonl").write_text(json.dumps(line))
    return list(read_labelled_folder(folder).conversations)


def test_backends_are_scored_beside_one_speaker_for_everything(tmp_path: Path) -> None:
    turns = [("anna", 0.0, 4.0), ("bert", 4.0, 6.0)]
    conversations = a_conversation(tmp_path, [0.5] * 4 + [-0.5, -0.5, 0.0, 0.0], turns)
    found = evaluate_speakers(tmp_path, conversations, [diarizen(tmp_path)], SileroVad())
    one, told = found.backends
    assert (found.conversations, found.audio_s) == (1, 8.0)
    assert one.backend == ONE_SPEAKER
    assert one.diarization_error_rate == 1.0, "nobody is heard in constant sound"
    assert (told.backend, told.diarization_error_rate, told.speakers_off) == ("diarizen", 0.0, 0.0)


def test_what_is_wrong_is_told_apart(tmp_path: Path) -> None:
    """Ten seconds of turns: two that nobody was found for, one given to another; and one in which nobody spoke."""
    turns = [("anna", 0.0, 5.0), ("bert", 5.0, 8.0), ("anna", 8.0, 10.0)]
    sound = [0.5] * 5 + [-0.5, -0.5, 0.5] + [0.0, 0.0] + [0.5]
    (_, told) = evaluate_speakers(
        tmp_path, a_conversation(tmp_path, sound, turns), [diarizen(tmp_path)], SileroVad()
    ).backends
    assert (told.missed, told.confusion, told.false_alarm) == (0.2, 0.1, 0.1)
    assert told.diarization_error_rate == 0.4


def test_overlapped_speech_is_missed_by_one_speaker_alone(tmp_path: Path) -> None:
    turns = [("anna", 0.0, 2.0), ("bert", 1.0, 2.0)]
    (_, told) = evaluate_speakers(
        tmp_path, a_conversation(tmp_path, [0.5, 0.5], turns), [diarizen(tmp_path)], SileroVad()
    ).backends
    assert told.missed == pytest.approx(1 / 3, abs=1e-4)
    assert told.speakers_off == 1.0


def test_a_diarization_that_listens_where_speech_was_detected_is_told_where_it_was(tmp_path: Path) -> None:
    samples = read_sample("speech-congratulations.opus")[: 4_500 * 16]
    soundfile.write(tmp_path / "a.flac", samples, RATE_HZ)
    (tmp_path / "ami.jsonl").write_text(
        json.dumps({"file": "a.flac", "turns": [{"speaker": "anna", "onset": 0.2, "offset": 4.4}]})
    )
    conversations = list(read_labelled_folder(tmp_path).conversations)
    (_, found) = evaluate_speakers(tmp_path, conversations, [OnnxDiarization()], SileroVad()).backends
    assert found.missed < 0.3
    assert (found.speakers_off, found.count_right) == (0.0, 1.0)


def test_only_backends_that_hear_recordings_tell_speakers_apart(tmp_path: Path) -> None:
    backend = diarizen(tmp_path)
    assert diarizing([VoiceMeasures(), backend]) == [backend]


def test_turns_without_speakers_are_no_truth_for_diarization(tmp_path: Path) -> None:
    (tmp_path / "ami.jsonl").write_text(json.dumps({"file": "a.flac", "turns": [{"onset": 0, "offset": 1}]}))
    with pytest.raises(LabelledFolderError, match="speakers of turns"):
        list(speech_tables(tmp_path, []))


def test_a_folder_of_conversations_alone_gives_their_table_alone(tmp_path: Path) -> None:
    a_conversation(tmp_path, [0.5, -0.5], [("anna", 0.0, 1.0), ("bert", 1.0, 2.0)])
    ((title, backends, rows),) = speech_tables(tmp_path, [diarizen(tmp_path)])
    assert title == "Speakers: 1 conversations, 2 s"
    assert backends == [ONE_SPEAKER, "diarizen"]
    assert dict(rows)["diarization_error_rate"][1] == 0.0
