"""The commands `serve start` and `serve check`: serve MOSS-Audio, or compare a running server with the checkpoint."""

from __future__ import annotations

import os
import shlex
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.text import Text
from typer.core import TyperGroup

from soundseam.pipeline.commands.terminal import Terminal

if TYPE_CHECKING:
    from soundseam.pipeline.serving.vllm_command import ServeRequest

INTERRUPTED, FAILED = 130, 1


Model = Annotated[
    str,
    typer.Argument(show_default=False, help="A MOSS-Audio checkpoint: a folder, or a repository on the model hub."),
]
Device = Annotated[str, typer.Option("--device", help="Where to compute the reference: cpu or cuda.")]


def start(
    context: typer.Context,
    model: Model,
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
    old_check: Annotated[
        str | None, typer.Option("--check", hidden=True, metavar="URL", help="Old name of `soundseam serve check`.")
    ] = None,
    dtype: Annotated[str | None, typer.Option("--dtype", hidden=True, help="Passed to vLLM.")] = None,
    device: Annotated[str, typer.Option("--device", hidden=True, help="With --check.")] = "cpu",
) -> None:
    """Start a vLLM server of MOSS-Audio, wait until it answers, and show how clients reach it. Stop it with Ctrl-C.

    vLLM needs its own environment with the plugin soundseam-serving: see docs/serving.md. Further options are passed
    to vLLM.
    """
    from soundseam.pipeline.serving.vllm_command import ServeRequest

    if old_check is not None:
        check(model, url=old_check, dtype=dtype, device=device, terminal=Terminal())
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
    typer.echo(f"# to check it: soundseam serve check {shlex.quote(request.model)} --url {request.root}")


def check(
    model: Model,
    *,
    url: Annotated[str, typer.Option("--url", help="Address of the server.")] = "http://localhost:8000",
    dtype: Annotated[
        str | None,
        typer.Option(
            "--dtype", help="The server's precision: float32, bfloat16 or float16.", show_default="as in MODEL"
        ),
    ] = None,
    device: Device = "cpu",
    terminal: Terminal,
) -> None:
    """Check that a running vLLM server computes the same as the checkpoint. Exits with 1 if their results differ."""
    from soundseam.annotators.moss.checkpoint import CheckpointError, find_checkpoint
    from soundseam.annotators.moss.forward import MossAudio
    from soundseam.pipeline.config import SetupError
    from soundseam.pipeline.serving.parity import CHECKED_MS, check_clip, parity_view
    from soundseam.pipeline.serving.server import api_root, served_model

    root = api_root(url)
    served = served_model(root)
    terminal.show(*_abilities(root, served))
    clips = []
    try:
        reference = MossAudio.load(find_checkpoint(model), device)
        precision = dtype or reference.config.dtype
        with terminal.status(f"asking {served}") as update:
            for duration_ms in CHECKED_MS:
                update(f"asking {served} about {duration_ms / 1000:g} s")
                clips.append(check_clip(reference, root, served, duration_ms, precision))
    except CheckpointError as error:
        raise SetupError(str(error)) from error
    problems = list(dict.fromkeys(clip.problem for clip in clips if clip.problem))
    verdict = () if problems else (f"{url} computes the same as {model}",)
    terminal.result({"problems": problems, "clips": clips}, parity_view(clips, precision), *verdict)
    if problems:
        terminal.warn(*(f"soundseam: {url} is not right: {problem}" for problem in problems))
        raise typer.Exit(FAILED)


def _abilities(url: str, served: str) -> list[str]:
    """What the server makes of each kind of question for MOSS-Audio, in lines. Raises SetupError if it lacks any."""
    from soundseam.annotators.chat.endpoint import Endpoint
    from soundseam.annotators.chat.questions import QuestionKind
    from soundseam.pipeline.commands.display import kind_lines
    from soundseam.pipeline.config import SetupError
    from soundseam.pipeline.serving.reachable import ServerUse, ask_servers

    kinds = tuple(QuestionKind(has_audio=True, answer=answer) for answer in ("text", "schema", "choices"))
    (report,) = ask_servers([ServerUse("MOSS-Audio", "", Endpoint(urls=(url,), model=served), kinds)])
    if report.fault == "lacks":
        raise SetupError(report.problem)
    return kind_lines(report)


class ServeGroup(TyperGroup):
    """`soundseam serve MODEL` is `soundseam serve start MODEL`, as it was before there were sub-commands."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        from soundseam.pipeline.config import did_you_mean

        given = args[0] if args else ""
        if given not in self.commands and "/" not in given and not Path(given).exists():
            hint = did_you_mean(given, self.commands)
            if hint:
                ctx.fail(f"no command {given}{hint}")
        named = args if given in self.commands else ["start", *args]
        return super().resolve_command(ctx, named)


HELP = "Serve MOSS-Audio with vLLM, or check a server. `soundseam serve MODEL` is `soundseam serve start MODEL`."
COMMANDS: Mapping[Callable[..., None], tuple[str, ...]] = {
    start: (
        "soundseam serve start OpenMOSS-Team/MOSS-Audio-4B-Instruct --print",
        "soundseam serve start OpenMOSS-Team/MOSS-Audio-8B-Instruct --longest 60 --print --data-parallel-size 2",
    ),
    check: (),
}
"""The sub-commands of `serve`, each with examples for its help, which tests run."""
