"""vLLM itself, in an environment of its own, for the tests that want the real server.

SOUNDSEAM_VLLM_PYTHON names that environment's interpreter; without it these tests are skipped. docs/serving.md says how
to make one, on a machine without a GPU too.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from soundseam.pipeline.serving.server import started
from soundseam.pipeline.serving.vllm_command import (
    VARIABLE,
    ServeRequest,
    find_interpreter,
    vllm_command,
    vllm_environment,
)

needs_vllm = pytest.mark.skipif(
    not os.environ.get(VARIABLE), reason=f"needs vLLM in an environment of its own, named by {VARIABLE}"
)
_CONFIGURATION = """
from transformers import PretrainedConfig, Qwen3Config


class MossAudioConfig(PretrainedConfig):
    model_type = "moss_audio"

    def __init__(self, audio_config=None, language_config=None, **fields):
        self.audio_config = audio_config or {}
        self.language_config = Qwen3Config(**(language_config or {}))
        super().__init__(**fields)

    def get_text_config(self, *_, **__):
        return self.language_config
"""
_ON_A_CPU = {
    "CUDA_VISIBLE_DEVICES": "",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "OMP_NUM_THREADS": "2",
}


@contextmanager
def real_vllm(checkpoint: Path, log: Path, *options: str, plugin: bool = True) -> Iterator[str]:
    """The address of a vLLM that serves the tiny `checkpoint` while the block runs.

    Without `plugin` it is started as whoever does not know it would: with the checkpoint's own configuration class.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    if not plugin:
        (checkpoint / "configuration_moss_audio.py").write_text(_CONFIGURATION, encoding="utf-8")
        options = (*options, "--trust-remote-code")
    more = ("--max-model-len", "4096", *options)
    request = ServeRequest(model=str(checkpoint), port=port, options=("--served-model-name", "tiny", *more))
    # On a GPU these tests run where one is; elsewhere on the CPU.
    environment = {**vllm_environment(request, os.environ), **({} if Path("/dev/nvidia0").exists() else _ON_A_CPU)}
    if not plugin:
        environment["VLLM_PLUGINS"] = ""
    command = vllm_command(request, find_interpreter(None), cores=1)
    with started(command, environment, log) as server:
        server.wait_until_healthy(request.root, 900, lambda *_: None)
        yield request.root
