"""An environment that looks like vLLM's from outside: an interpreter, distributions, and a module that serves.

What it serves is only whether it is up; what a server answers is tested against the tiny checkpoint and, where there is
one, against vLLM itself.
"""

from __future__ import annotations

import sys
from pathlib import Path

_SERVE = """
import http.server, json, os, signal, subprocess, sys, time

options = sys.argv[1:]
behaviour = os.environ.get("STAND_IN", "")
port = int(options[options.index("--port") + 1])
print("loading weights", flush=True)
with open(os.environ["STAND_IN_NOTES"], "w") as notes:
    child = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"])
    json.dump({"options": options, "pids": [os.getpid(), child.pid], "limits": {
        name: value for name, value in os.environ.items() if name.startswith("VLLM_")
    }}, notes)
if behaviour == "dies":
    print("unrecognized arguments: --oops", flush=True)
    sys.exit(3)
if behaviour == "hangs":
    time.sleep(600)
if behaviour == "stays":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        if behaviour == "falls":
            print("out of memory", flush=True)
            os._exit(9)

http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


def make_environment(
    folder: Path, vllm: str | None = "0.33.0", plugin: bool = True, audio: bool = True, name: str = "vllm"
) -> Path:
    """The interpreter of an environment with these distributions; `name` is under which vLLM came."""
    site = folder / "site"
    packages = site / "vllm" / "entrypoints"
    if vllm:
        for path in (packages / "cli", packages / "openai"):
            path.mkdir(parents=True)
        for module in (packages / "cli" / "main.py", packages / "openai" / "api_server.py"):
            module.write_text(_SERVE, encoding="utf-8")
        _distribution(site, name, vllm)
    for module_name in ("av", "soundfile", "soxr") if audio else ():
        site.mkdir(exist_ok=True)
        (site / f"{module_name}.py").touch()
    if plugin:
        entry = "[vllm.general_plugins]\nsoundseam_moss_audio = soundseam_serving:register\n"
        _distribution(site, "soundseam-serving", "0.1.0", entry)
    python = folder / "python"
    # -S: without this environment's own site-packages, as a fresh environment has none of them.
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{site}" exec "{sys.executable}" -S "$@"\n', encoding="utf-8")
    python.chmod(0o755)
    return python


def _distribution(site: Path, name: str, version: str, entry_points: str = "") -> None:
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(entry_points, encoding="utf-8")
