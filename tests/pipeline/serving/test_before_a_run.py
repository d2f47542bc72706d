"""One question of each kind before a run: what servers lack, how it is said, and what is no reason to stop."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from soundseam.annotators.chat.endpoint import Endpoint
from soundseam.annotators.chat.questions import TRANSCRIPTION, QuestionKind
from soundseam.pipeline.config import SetupError, load_config, server_settings
from soundseam.pipeline.serving.reachable import ServerUse, check_servers, server_uses
from tests.support.chat_models import Scripted
from tests.support.chat_server import Asked, ChatServer, Fault, Faults
from tests.support.corpora import RECORDINGS, run_cli

WORDS, SOUND = QuestionKind(), QuestionKind(has_audio=True)
RECORD, CHOICE = QuestionKind(answer="schema"), QuestionKind(answer="choices")
PROFILE = """
servers:
  writer: {{model: tiny, urls: ["{url}"]}}
detectors: [{{kind: embedded}}]
branches: {{}}
captions:
  composer: writer
  writer: {{server: writer}}
"""


def obedient(asked: Asked) -> str:
    return '{"yes": true}' if "true" in asked.text else "yes"


def serving(faults: Faults = lambda number, asked: None) -> ChatServer:
    return ChatServer(Scripted(obedient), faults)


def check(*kinds: QuestionKind, urls: Sequence[str], is_local: bool = True, **options: object) -> tuple[str, ...]:
    endpoint = Endpoint.model_validate({"urls": urls, "model": "tiny", **options})
    return check_servers([ServerUse("general/describe", "stage", endpoint, kinds)], {}, is_local)


def no_schema(number: int, asked: Asked) -> Fault | None:
    return Fault(500, b'{"error": "Input should be \'text\'"}') if asked.json_schema else None


def test_each_kind_is_asked_once_and_a_server_that_answers_has_no_notice() -> None:
    with serving() as server:
        assert check(WORDS, SOUND, RECORD, CHOICE, TRANSCRIPTION, urls=[server.url]) == ()
    assert server.count == 5


def test_two_users_of_one_server_ask_each_kind_once() -> None:
    with serving() as server:
        endpoint = Endpoint(urls=(server.url,), model="tiny")
        uses = [ServerUse(name, name, endpoint, (SOUND, RECORD)) for name in ("describe", "judge")]
        check_servers(uses, {})
    assert server.count == 2


def test_the_option_that_a_message_names_sets_the_dialect_that_the_server_takes(tmp_path: Path) -> None:
    with serving(no_schema) as server:
        path = tmp_path / "p.yaml"
        path.write_text(PROFILE.format(url=server.url))
        uses = server_uses(load_config(str(path)))
        with pytest.raises(SetupError, match=r"JSON schema, as captions/writer would ask, .* but in plain") as refusal:
            check_servers(uses, server_settings(str(path)))
        option = str(refusal.value).partition("--set ")[2]
        assert option == "servers.writer.dialect=plain"
        mended = server_uses(load_config(str(path), [option]))
        assert check_servers(mended, server_settings(str(path), [option])) == ()


def test_an_option_for_a_server_that_is_written_where_it_is_used_names_that_place(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("branches: {general: [{kind: describe, server: {model: tiny}}, {kind: judge, server: {model: b}}]}")
    assert list(server_settings(str(path))) == ["branches.general.0.server", "branches.general.1.server"]


def test_a_server_that_takes_no_sound_is_named_with_who_would_ask() -> None:
    with (
        serving(lambda number, asked: Fault(400) if asked.audio else None) as server,
        pytest.raises(SetupError, match=r"but not a question about a sound, as general/describe would ask, in no dia"),
    ):
        check(SOUND, urls=[server.url])


def test_a_server_that_cannot_transcribe_but_answers_the_rest_lacks_that() -> None:
    with (
        serving(lambda number, asked: Fault(404) if asked.transcribe else None) as server,
        pytest.raises(SetupError, match="not a sound to transcribe"),
    ):
        check(WORDS, TRANSCRIPTION, urls=[server.url])


def test_choices_without_log_probabilities_are_of_no_use_to_a_verifier() -> None:
    bare = {"choices": [{"message": {"content": "yes"}, "finish_reason": "stop"}]}
    with (
        serving(lambda number, asked: Fault(body=json.dumps(bare).encode())) as server,
        pytest.raises(SetupError, match=r"given choices.*no log-probabilities"),
    ):
        check(CHOICE, urls=[server.url])


def test_a_server_that_ignores_a_schema_is_no_reason_to_stop_and_the_notice_says_so() -> None:
    with ChatServer(Scripted(lambda asked: "Surely.")) as server:
        (notice,) = check(RECORD, urls=[server.url])
    assert "does not keep to the form of a question with a JSON schema (answered 'Surely.')" in notice


def test_a_server_that_keeps_to_choices_in_another_dialect_alone_is_told_with_it() -> None:
    chatty = lambda number, asked: None if asked.choices else Fault(body=ANOTHER)  # noqa: E731
    with serving(chatty) as server:
        (notice,) = check(CHOICE, urls=[server.url], dialect="plain")
    assert "in the dialect vllm: set `dialect: vllm` for the server of general/describe" in notice


ANOTHER = json.dumps({"choices": [{"message": {"content": "Surely."}, "finish_reason": "stop"}]}).encode()


def test_a_server_that_is_away_or_loads_its_model_may_still_come() -> None:
    with ChatServer(Scripted()) as dead:
        pass
    (notice,) = check(SOUND, RECORD, urls=[dead.url])
    assert "does not answer yet" in notice
    assert "for up to 240 s" in notice
    with serving(lambda number, asked: Fault(503, b"Loading model")) as loading:
        (notice,) = check(SOUND, urls=[loading.url])
    assert "Loading model" in notice


@pytest.mark.parametrize("status", [500, 502, 504])
def test_a_server_that_fails_over_everything_is_away(status: int) -> None:
    with serving(lambda number, asked: Fault(status)) as server:
        assert len(check(SOUND, RECORD, urls=[server.url])) == 1


def test_a_single_failure_is_none() -> None:
    with serving(lambda number, asked: Fault(500) if number == 0 else None) as server:
        assert check(RECORD, urls=[server.url]) == ()


def test_a_server_that_does_not_know_us_is_named_with_the_variable_of_its_key() -> None:
    refuse = serving(lambda number, asked: Fault(401, b"who are you"))
    with refuse, serving() as other:
        with pytest.raises(SetupError, match=r"refuses \(HTTP 401: who are you\): set the environment .* TINY_KEY"):
            check(SOUND, urls=[refuse.url], api_key_variable="TINY_KEY")
        assert len(check(SOUND, urls=[refuse.url, other.url])) == 1, "the other one answers everything"
        assert len(check(SOUND, urls=[refuse.url], is_local=False)) == 1, "workers elsewhere may have the key"


def test_without_servers_nothing_is_asked() -> None:
    assert server_uses(load_config("embedded")) == []
    assert check_servers([], {}) == ()


def test_a_run_ends_before_it_begins_if_its_server_lacks_what_it_will_be_asked(tmp_path: Path) -> None:
    path, output = tmp_path / "p.yaml", tmp_path / "out"
    with serving(no_schema) as server:
        path.write_text(PROFILE.format(url=server.url))
        told = run_cli("run", RECORDINGS / "sound-bell.flac", "--output", output, "--profile", path, expect=2)
        assert "--set servers.writer.dialect=plain" in told
        assert not output.exists()
        doctor = run_cli("doctor", "--profile", path, "--servers", expect=1)
    assert "a question with a JSON schema: not answered" in " ".join(doctor.split())
