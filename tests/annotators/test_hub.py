from __future__ import annotations

from pathlib import Path

import pytest

from soundseam.annotators.base import BackendUnavailableError
from soundseam.annotators.hub import has_token, is_here, note_of, refuse_unreachable, terms_of
from soundseam.annotators.speech.diarization import PyannoteDiarization
from soundseam.annotators.speech.faster_whisper import FasterWhisper

GATED = "pyannote/speaker-diarization-community-1"
OPEN = "Systran/faster-whisper-large-v3"


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine without a token whose cache of the hub is empty."""
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    return tmp_path


def put_in_cache(home: Path, repository: str) -> None:
    snapshot = home / "hub" / f"models--{repository.replace('/', '--')}" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (snapshot / "config.yaml").write_text("")


def test_gated_weights_name_the_page_of_terms_the_token_and_the_local_folder() -> None:
    with pytest.raises(BackendUnavailableError) as refusal:
        refuse_unreachable("diarization", GATED, "weights")
    for way in (f"https://huggingface.co/{GATED}", "terms", "HF_TOKEN", f"hf download {GATED}", "set weights to"):
        assert way in str(refusal.value)


@pytest.mark.parametrize("way", ["HF_TOKEN", "login", "cache", "folder"])
def test_each_of_these_ways_to_gated_weights_is_taken(way: str, machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = GATED
    if way == "HF_TOKEN":
        monkeypatch.setenv("HF_TOKEN", "hf_x")
    elif way == "login":
        (machine / "token").write_text("hf_x")
    elif way == "cache":
        put_in_cache(machine, GATED)
    else:
        weights = str(machine)
    refuse_unreachable("diarization", weights, "weights")


def test_weights_that_anyone_may_fetch_need_no_token_but_a_way_to_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_unreachable("asr", OPEN, "weights")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(BackendUnavailableError, match="HF_HUB_OFFLINE"):
        refuse_unreachable("asr", OPEN, "weights")


@pytest.mark.parametrize("path", ["/no/such/folder", "./models/whisper", "~/whisper", "a/b/c"])
def test_a_folder_that_is_not_there_is_not_taken_for_a_repository(path: str) -> None:
    with pytest.raises(BackendUnavailableError, match="finds no folder"):
        refuse_unreachable("asr", path, "weights")


def test_a_note_says_where_weights_come_from_and_what_that_takes(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "no token needed" in note_of(OPEN)
    assert "terms on its page" in note_of("somebody/model")
    put_in_cache(machine, OPEN)
    assert is_here(OPEN)
    assert "cache" in note_of(OPEN)
    monkeypatch.setenv("HF_TOKEN", "hf_x")
    assert has_token()
    assert "a token is set" in note_of(GATED)


def test_terms_are_those_of_the_whole_family_of_a_name() -> None:
    terms = terms_of("facebook/mms-1b-all")
    assert terms is not None
    assert terms.licence == "CC-BY-NC-4.0"
    assert terms_of("somebody/model") is None


def test_sizes_of_whisper_lie_where_the_library_looks_for_them() -> None:
    utils = pytest.importorskip("faster_whisper.utils", reason="needs faster-whisper: pip install 'soundseam[speech]'")
    repositories = {size: FasterWhisper(weights=size).repository for size in utils.available_models()}
    assert repositories == utils._MODELS
    assert {FasterWhisper(weights=size).weights_terms for size in repositories} == {"MIT"}


def test_the_licence_that_is_shown_is_of_the_weights_that_are_named(tmp_path: Path) -> None:
    assert PyannoteDiarization().weights_terms == "CC-BY-4.0"
    assert PyannoteDiarization(weights="somebody/pipeline").weights_terms == "unknown"
    assert PyannoteDiarization(weights="somebody/pipeline", weights_licence="MIT").weights_terms == "MIT"
    (tmp_path / "README.md").write_text("---\nlicense: cc-by-nc-sa-4.0\n---\n")
    assert PyannoteDiarization(weights=str(tmp_path)).weights_terms == "cc-by-nc-sa-4.0"
