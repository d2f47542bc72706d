"""The command `serve`: serves MOSS-Audio, or compares a running server with the checkpoint."""

from __future__ import annotations

import os
import shlex
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

if TYPE_CHECKING:
    from soundseam.pipeline.serving.vllm_command import ServeRequest

INTERRUPTED, FAILED = 130, 1


def serve(
    context: typer.Context,
    model: Annotated[
        str,
        typer.Argument(show_default=False, help="A MOSS-Audio checkpoint: a folder, or a repository on the model hub."),
    ],
    *,
    python: Annotated[
        str | None,
        typer.Option("--python", help="Python of vLLM's environment.", show_default="SOUNDSEAM_VLLM_PYTHON"),
    ] = None,
    host: Annotated[
        str, typer.Option("--host", help="Address to listen on; 0.0.0.0 admits other machines.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Port to listen on.")] = 8000,
    longest: Annotated[
        float,
        typer.Option(
            "--longest", min=0.1, max=3000, help="Length of the longest segment that clients will send, in seconds."
        ),
    ] = 30.0,
    audios: Annotated[int, typer.Option("--audios", min=1, max=64, help="Maximum number of clips in one prompt.")] = 1,
    api_servers: Annotated[
        int | None,
        typer.Option(
            "--api-servers",
            min=1,
            help="Processes that accept requests and compute mel frames.",
            show_default="one per four cores",
        ),
    ] = None,
    thinking: Annotated[
        bool,
        typer.Option(
            "--thinking",
            help="Separate a Thinking checkpoint's thoughts from its answers; such a server cannot verify.",
        ),
    ] = False,
    timeout: Annotated[
        float, typer.Option("--timeout", min=1, help="Seconds within which the server must become healthy.")
    ] = 1800.0,
    log: Annotated[
        Path | None, typer.Option("--log", help="File for the server's output.", show_default="a temporary one")
    ] = None,
    show_command: Annotated[
        bool, typer.Option("--print", help="Print the command that would start vLLM, and exit.")
    ] = False,
    check: Annotated[
        str | None,
        typer.Option(
            "--check",
            metavar="URL",
            help="Start nothing: compare the vLLM server at URL with MODEL, and exit with 1 if their results differ.",
        ),
    ] = None,
    dtype: Annotated[
        str | None,
        typer.Option(
            "--dtype",
            help="The server's precision: float32, bfloat16 or float16.",
            show_default="with --check, as in MODEL",
        ),
    ] = None,
    device: Annotated[
        str, typer.Option("--device", help="With --check: where to compute the reference: cpu or cuda.")
    ] = "cpu",
) -> None:
    """Serve MOSS-Audio with vLLM, or check that a vLLM server computes the same as the checkpoint.

    vLLM needs its own environment with the plugin soundseam-serving: see docs/serving.md. Further options are passed
    to vLLM. Stop it with Ctrl-C.
    """
    from soundseam.pipeline.serving.vllm_command import ServeRequest

    if check is not None:
        _check(check, model, dtype, device)
        return
    options = (*(("--dtype", dtype) if dtype else ()), *context.args)
    request = ServeRequest(
        model=model,
        host=host,
        port=port,
        longest_s=longest,
        audios=audios,
        api_servers=api_servers,
        thinking=thinking,
        options=options,
    )
    if show_command:
        _show(request, python)
    else:
        _serve(request, python, timeout, log)


def _show(request: ServeRequest, python: str | None) -> None:
    from soundseam.pipeline.doctor import usable_cores
    from soundseam.pipeline.serving.vllm_command import Interpreter, named_python, vllm_command, vllm_environment

    interpreter = Interpreter(path=named_python(python) or "python", version="unseen")
    settings = [f"{name}={value}" for name, value in vllm_environment(request, os.environ).items()]
    typer.echo(" ".join([*settings, shlex.join(vllm_command(request, interpreter, usable_cores()))]))


def _serve(request: ServeRequest, python: str | None, timeout_s: float, log: Path | None) -> None:
    from soundseam.pipeline.doctor import usable_cores
    from soundseam.pipeline.serving.server import ServerFailedError, check_free, started
    from soundseam.pipeline.serving.vllm_command import find_interpreter, vllm_command, vllm_environment

    interpreter = find_interpreter(python)
    check_free(request.host, request.port)
    command = vllm_command(request, interpreter, usable_cores())
    path = log or Path(tempfile.mkdtemp(prefix="soundseam-serve-")) / "vllm.log"
    errors = Console(stderr=True)
    healthy = False
    try:
        with (
            started(command, vllm_environment(request, os.environ), path) as server,
            errors.status("starting vLLM") as status,
        ):

            def show(passed_s: float, line: str) -> None:
                status.update(Text(f"starting vLLM, {passed_s:.0f} s: {line[:100]}"))

            server.wait_until_healthy(request.root, timeout_s, show)
            healthy = True
            status.stop()
            _tell_clients(request, interpreter.version, path)
            server.wait()
    except ServerFailedError as error:
        for line in error.lines:
            errors.print(Text(line), soft_wrap=True)
        raise
    except KeyboardInterrupt:
        errors.print("the server has stopped")
        if not healthy:
            raise typer.Exit(INTERRUPTED) from None


def _tell_clients(request: ServeRequest, version: str, log: Path) -> None:
    from soundseam.annotators.weights import folder_key

    folder = Path(request.model)
    revision = folder_key(folder) if folder.is_dir() else request.revision
    kind = f"vLLM {version}" if version else "vLLM"
    root = f"{request.root}/v1"
    typer.echo(f"{request.served_name} is served at {root} by {kind}; Ctrl-C stops it. Its log is {log}.\n")
    typer.echo(f"export OPENAI_BASE_URL={root}\n")
    typer.echo("# in a profile, under each backend that uses this server:")
    typer.echo(f"server:\n  urls: [{root}]\n  model: {request.served_name}\n  revision: {revision}\n")
    if request.cannot_verify:
        typer.echo("# It separates thoughts from answers: use another server to verify claims.\n")
    typer.echo(f"# to check it: soundseam serve {shlex.quote(request.model)} --check {request.root}")


def _check(url: str, name: str, dtype: str | None, device: str) -> None:
    from soundseam.annotators.moss.checkpoint import CheckpointError, find_checkpoint
    from soundseam.annotators.moss.forward import MossAudio
    from soundseam.pipeline.config import SetupError
    from soundseam.pipeline.serving.parity import CHECKED_MS, check_clip, parity_view
    from soundseam.pipeline.serving.server import api_root, served_model

    root = api_root(url)
    served = served_model(root)
    errors = Console(stderr=True)
    clips = []
    try:
        model = MossAudio.load(find_checkpoint(name), device)
        precision = dtype or model.config.dtype
        with errors.status(f"asking {served}") as status:
            for duration_ms in CHECKED_MS:
                status.update(f"asking {served} about {duration_ms / 1000:g} s")
                clips.append(check_clip(model, root, served, duration_ms, precision))
    except CheckpointError as error:
        raise SetupError(str(error)) from error
    console = Console()
    console.print(parity_view(clips, precision))
    problems = list(dict.fromkeys(clip.problem for clip in clips if clip.problem))
    if problems:
        for problem in problems:
            errors.print(Text(f"soundseam: {url} is not right: {problem}"), soft_wrap=True)
        raise typer.Exit(FAILED)
    console.print(Text(f"{url} computes the same as {name}"))


COMMANDS: Mapping[Callable[..., None], tuple[str, ...]] = {
    serve: (
        "soundseam serve OpenMOSS-Team/MOSS-Audio-4B-Instruct --print",
        "soundseam serve OpenMOSS-Team/MOSS-Audio-8B-Instruct --longest 60 --print --data-parallel-size 2",
    ),
}
"""Each with examples for its help, which tests run."""
