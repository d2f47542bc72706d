"""What `doctor --servers` finds out about the servers of a profile."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from soundseam.pipeline.config import load_config
from soundseam.pipeline.serving.reachable import ServerUse, ask_servers, server_uses, servers_of
from tests.support.chat_models import Scripted
from tests.support.chat_server import ChatServer
from tests.support.corpora import run_cli

PROFILE = """
detectors: [{{kind: embedded}}]
branches:
  speech:
    - kind: openai_audio
      server: &asr {{urls: {urls}, model: tiny}}
    - kind: audio_caption
      server: {{urls: {urls}, model: moss}}
captions: {{verifier: {{server: *asr}}}}
"""


def profile(folder: Path, *urls: str) -> str:
    path = folder / "served.yaml"
    path.write_text(PROFILE.format(urls=json.dumps(urls)))
    return str(path)


def uses_of(folder: Path, *urls: str) -> list[ServerUse]:
    return server_uses(load_config(profile(folder, *urls)))


def test_each_server_is_told_once_with_all_that_ask_it(tmp_path: Path) -> None:
    reports = servers_of(uses_of(tmp_path, "http://a/v1", "http://b/v1"))
    assert [(report.url, report.model) for report in reports] == [
        ("http://a/v1", "tiny"),
        ("http://b/v1", "tiny"),
        ("http://a/v1", "moss"),
        ("http://b/v1", "moss"),
    ]
    assert reports[0].used_by == ("speech/openai_audio", "captions/verifier")
    assert not any(report.asked or report.problem for report in reports)


def test_a_profile_without_servers_has_none() -> None:
    uses = server_uses(load_config("embedded"))
    assert servers_of(uses) == ask_servers(uses) == []


def test_a_server_that_serves_the_model_has_no_problem_and_others_say_what_to_do(tmp_path: Path) -> None:
    with ChatServer(Scripted()) as dead:
        pass
    with ChatServer(Scripted(), names=("tiny", "other")) as alive:
        reports = ask_servers(uses_of(tmp_path, alive.url, dead.url))
    tiny, away, moss, _ = (report.problem for report in reports)
    assert tiny == ""
    assert "does not answer" in away
    assert "soundseam serve start tiny" in away
    assert "serves tiny, other, not moss" in moss


@pytest.mark.parametrize("path", ["/v1/nowhere", ""])
def test_an_address_that_is_none_of_an_api_says_so(path: str, tmp_path: Path) -> None:
    with ChatServer(Scripted()) as server:
        url = server.url.removesuffix("/v1") + path
        (report, *_) = ask_servers(uses_of(tmp_path, url))
    assert "/v1" in report.problem


def test_the_command_shows_servers_and_asks_them_when_told_to(tmp_path: Path) -> None:
    with ChatServer(Scripted(), names=("tiny", "moss")) as server:
        path = profile(tmp_path, server.url)
        assert "not checked" in run_cli("doctor", "--profile", path)
        assert f"tiny at {server.url}, for speech/openai_audio, captions/verifier: answers" in run_cli(
            "doctor", "--profile", path, "--servers"
        )
    assert "soundseam serve start tiny" in run_cli("doctor", "--profile", path, "--servers", expect=1)


def test_servers_are_those_of_a_profile() -> None:
    assert "--profile" in run_cli("doctor", "--servers", expect=2)
