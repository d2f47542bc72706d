"""The commands `evaluate` and `show`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from soundseam.pipeline.commands.options import Overrides, Profile
from soundseam.pipeline.commands.terminal import Terminal
from soundseam.schemas.timespan import TimeSpan

if TYPE_CHECKING:
    from soundseam.annotators.detection.base import Detector
    from soundseam.pipeline.config import RunConfig
    from soundseam.pipeline.evaluation.loop import ScoreTable


class Subject(StrEnum):
    """What can be evaluated."""

    SEGMENTATION = "segmentation"
    SPEECH = "speech"
    MUSIC = "music"
    GENERAL = "general"
    VERIFIER = "verifier"
    CLAIMS = "claims"
    LONG = "long"


def evaluate(
    subject: Annotated[Subject, typer.Argument(help="What to evaluate.", show_default=False)],
    folder: Annotated[
        str,
        typer.Argument(
            help="Labelled audio as docs/ describes it for each subject; verifier, claims, long: a corpus.",
            show_default=False,
        ),
    ],
    profile: Profile = "embedded",
    overrides: Overrides = None,
    segments: Annotated[
        int, typer.Option("--segments", min=2, help="verifier: how many randomly drawn segments it is asked about.")
    ] = 200,
    seed: Annotated[int, typer.Option("--seed", help="verifier: another seed draws other segments and claims.")] = 0,
    labels: Annotated[
        Path | None, typer.Option("--labels", help="claims, long: the folder with labels of the corpus's recordings.")
    ] = None,
    *,
    terminal: Terminal,
) -> None:
    """Measure on labelled audio: segmentation and routing compared with simple ways of cutting, or a branch's backends.

    segmentation reads scenes.jsonl, clips.jsonl or ami.jsonl; speech reads clips.jsonl with transcripts, ami.jsonl
    with speaker turns, or both; music reads pieces.jsonl; general reads sounds.jsonl, scenes.jsonl or clips.jsonl.

    verifier measures on a corpus with captions: it is asked about their claims, and about claims of other recordings
    in their place. It needs captions.verifier in the configuration, and its server.

    claims counts what the captions of a corpus say against --labels, a folder with any of clips.jsonl, scenes.jsonl,
    ami.jsonl and pieces.jsonl.

    long compares the chapters and captions that `soundseam long` made with --labels, a folder with long.jsonl or
    ami.jsonl.
    """
    if subject in {Subject.CLAIMS, Subject.LONG}:
        (_evaluate_claims if subject is Subject.CLAIMS else _evaluate_long)(folder, labels, terminal)
        return
    config = _configuration(profile, overrides)
    if subject is Subject.VERIFIER:
        _evaluate_verifier(folder, config, (segments, seed), terminal)
    else:
        _print_tables(subject, Path(folder), config, terminal)


def _segmentation_tables(folder: Path, config: RunConfig) -> Iterator[ScoreTable]:
    from soundseam.annotators.detection.silero_vad import SileroVad
    from soundseam.pipeline.evaluation.labelled import read_labelled_folder
    from soundseam.pipeline.evaluation.loop import score_table
    from soundseam.pipeline.evaluation.segmentation import evaluate_segmentation

    labelled = read_labelled_folder(folder)
    scores = evaluate_segmentation(labelled, _detectors(config), config.segmentation, SileroVad().load())
    yield score_table("Segmentation", scores)


def _speech_tables(folder: Path, config: RunConfig) -> Iterator[ScoreTable]:
    from soundseam.pipeline.evaluation.speech import speech_tables

    return speech_tables(folder, config.branches.speech, _detectors(config))


def _music_tables(folder: Path, config: RunConfig) -> Iterator[ScoreTable]:
    from soundseam.pipeline.evaluation.labelled import loadable
    from soundseam.pipeline.evaluation.loop import score_table
    from soundseam.pipeline.evaluation.music import evaluate_music

    backends = [one for one in config.branches.music if not one.reads_annotations and not one.takes_flac]
    found = evaluate_music(folder, loadable(backends))
    yield score_table(f"Music: {found.pieces} pieces, {found.audio_s:.0f} s", found.backends)


def _general_tables(folder: Path, config: RunConfig) -> Iterator[ScoreTable]:
    """Names of labelled clips by the profile's backends, and by AST beside them if its weights are on this machine."""
    from soundseam.annotators.general.tagger import Tagger
    from soundseam.pipeline.evaluation.general import evaluate_general
    from soundseam.pipeline.evaluation.labelled import loadable
    from soundseam.pipeline.evaluation.loop import score_table
    from soundseam.pipeline.evaluation.named_clips import CLIPS, evaluate_named_clips, is_at_hand

    backends, detectors = loadable(config.branches.general), _detectors(config)
    has_names = (folder / CLIPS).is_file()
    if has_names:
        beside = Tagger(name="ast")
        is_new = is_at_hand(beside) and beside.backend not in {backend.backend for backend in backends}
        found = evaluate_named_clips(folder, [*backends, *([beside] if is_new else [])], detectors)
        yield score_table("Names of labelled clips", found)
    if not has_names or any((folder / name).is_file() for name in ("sounds.jsonl", "scenes.jsonl")):
        measured = evaluate_general(folder, backends, detectors)
        title = f"General: {measured.recordings} recordings, {measured.audio_s:.0f} s"
        yield score_table(title, measured.backends)


def _evaluate_verifier(output: str, config: RunConfig, draw: tuple[int, int], terminal: Terminal) -> None:
    """`draw`: the number of segments, and the seed."""
    from soundseam.annotators.base import BackendUnavailableError
    from soundseam.pipeline.config import SetupError
    from soundseam.pipeline.evaluation.verifier import evaluate_verifier, verifier_tables
    from soundseam.pipeline.stages.context import StageContext

    verifier = config.captions.verifier
    if verifier is None:
        raise SetupError(
            "there is no verifier: set its model and server with --set captions.verifier.server.model=... and "
            "--set 'captions.verifier.server.urls=[http://localhost:8000/v1]', or use a profile that does"
        )
    try:
        config.captions.check_available()
    except BackendUnavailableError as error:
        raise SetupError(str(error)) from error
    with StageContext(output).client(verifier.server, "evaluate") as client:
        found = evaluate_verifier(output, verifier, client, *draw)
    terminal.result(found, *verifier_tables(found))


def _evaluate_claims(output: str, labels: Path | None, terminal: Terminal) -> None:
    from soundseam.pipeline.config import SetupError
    from soundseam.pipeline.evaluation.claims import claim_tables, evaluate_claims
    from soundseam.pipeline.evaluation.labelled import LabelledFolderError

    if labels is None:
        raise SetupError("claims are held against labels: name their folder by --labels, as --labels samples/truth")
    try:
        scores = evaluate_claims(output, labels)
    except LabelledFolderError as error:
        raise SetupError(f"{error}: give a folder with lists that docs/captions.md describes") from error
    terminal.result(scores, *claim_tables(scores))


def _evaluate_long(output: str, labels: Path | None, terminal: Terminal) -> None:
    from soundseam.pipeline.config import SetupError
    from soundseam.pipeline.evaluation.labelled import LabelledFolderError
    from soundseam.pipeline.evaluation.long import evaluate_long, long_tables
    from soundseam.pipeline.evaluation.long_guesses import guess_long, guess_table

    if labels is None:
        raise SetupError("captions of recordings are held against labels: name their folder by --labels")
    try:
        scores = evaluate_long(output, labels)
    except LabelledFolderError as error:
        raise SetupError(f"{error}: give a folder that docs/long.md describes") from error
    guesses = list(guess_long(output))
    values = {**scores.model_dump(), "false_share": scores.false_share, "samples": guesses}
    terminal.result(values, *long_tables(scores), *([guess_table(guesses)] if guesses else []))


_EVALUATIONS: Mapping[Subject, tuple[Callable[[Path, RunConfig], Iterator[ScoreTable]], str]] = {
    Subject.SEGMENTATION: (_segmentation_tables, "evaluate"),
    Subject.SPEECH: (_speech_tables, "speech,evaluate"),
    Subject.MUSIC: (_music_tables, "evaluate"),
    Subject.GENERAL: (_general_tables, "evaluate"),
}
"""The tables of a subject, and the extras of the package that its measures need."""


def _print_tables(subject: Subject, folder: Path, config: RunConfig, terminal: Terminal) -> None:
    from soundseam.annotators.base import BackendUnavailableError
    from soundseam.pipeline.config import SetupError
    from soundseam.pipeline.evaluation.labelled import LabelledFolderError

    tables, extras = _EVALUATIONS[subject]
    try:
        with terminal.status(f"evaluating {subject}"):
            found = list(tables(folder, config))
    except LabelledFolderError as error:
        raise SetupError(f"{error}: give a folder in the format that docs/{subject}.md describes") from error
    except BackendUnavailableError as error:
        raise SetupError(str(error)) from error
    except ModuleNotFoundError as error:
        raise SetupError(f"{error}; the measures need: pip install 'soundseam[{extras}]'") from error
    terminal.result([table._asdict() for table in found], *(_side_by_side(*table) for table in found))


def show(
    recording: Annotated[Path, typer.Argument(help="One audio file.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="Picture to write: .png, .pdf or .svg.")],
    start: Annotated[float, typer.Option("--start", min=0.0, help="Start of the picture, in seconds.")] = 0.0,
    seconds: Annotated[
        float, typer.Option("--seconds", min=0.1, help="Length of the picture, in seconds; at most 20 minutes.")
    ] = 1200.0,
    profile: Profile = "embedded",
    overrides: Overrides = None,
    *,
    terminal: Terminal,
) -> None:
    """Draw a recording: waveform, spectrogram, events, the cost of cutting at each time, and the cuts."""
    from soundseam.pipeline.audio.decode import DecodeError
    from soundseam.pipeline.config import SetupError
    from soundseam.pipeline.evaluation.show import PictureError, show_recording

    config = _configuration(profile, overrides)
    if not recording.is_file():
        raise SetupError(f"there is no file {recording}: name a recording")
    span = TimeSpan(round(1000 * start), round(1000 * (start + seconds)))
    try:
        count = show_recording(recording, output, _detectors(config), config.segmentation, span)
    except DecodeError as error:
        raise SetupError(
            f"{recording.name} cannot be read ({error.reason}: {error.detail}): name another file"
        ) from error
    except PictureError as error:
        raise SetupError(str(error)) from error
    terminal.result({"picture": output, "segments": count}, f"{output}: {count} segments")


def _configuration(profile: str, overrides: list[str] | None) -> RunConfig:
    from soundseam.pipeline.config import load_config

    return load_config(profile, tuple(overrides or ()))


def _detectors(config: RunConfig) -> list[Detector]:
    from soundseam.annotators.base import BackendUnavailableError
    from soundseam.pipeline.config import SetupError

    try:
        return [backend.load() for backend in config.detectors]
    except BackendUnavailableError as error:
        raise SetupError(str(error)) from error


def _side_by_side(title: str, backends: Sequence[str], rows: Sequence[tuple[str, Sequence[float | None]]]) -> Table:
    """Backends side by side, one row per figure; rows without any figure are left out."""
    table = Table(title=title, title_justify="left")
    for index, heading in enumerate(["", *backends]):
        table.add_column(heading, justify="right" if index else "left")
    for name, values in rows:
        if any(value is not None for value in values):
            table.add_row(name.replace("_", " "), *("-" if value is None else f"{value:g}" for value in values))
    return table


COMMANDS: Mapping[Callable[..., None], tuple[str, ...]] = {
    evaluate: (
        "soundseam evaluate segmentation samples/truth",
        "soundseam evaluate segmentation samples/truth --set segmentation.cut.target_ms=8000",
        "soundseam evaluate speech samples/truth",
        "soundseam evaluate music samples/truth",
        "soundseam evaluate general samples/truth",
        "soundseam evaluate claims out --labels samples/truth",
    ),
    show: (
        "soundseam show samples/recordings/sound-bell.flac -o page.png",
        "soundseam show samples/recordings/sound-bell.flac --seconds 10 -o page.svg",
    ),
}
"""Each with examples for its help, which tests run."""
