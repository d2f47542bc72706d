"""The commands `evaluate` and `show`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from soundseam.schemas.timespan import TimeSpan

if TYPE_CHECKING:
    from soundseam.annotators.base import Backend
    from soundseam.annotators.detection.base import Detector
    from soundseam.pipeline.config import RunConfig
    from soundseam.pipeline.evaluation.segmentation import MethodScores
    from soundseam.schemas.general import GeneralFacts


class Subject(StrEnum):
    """What can be evaluated."""

    SEGMENTATION = "segmentation"
    SPEECH = "speech"
    MUSIC = "music"
    GENERAL = "general"
    VERIFIER = "verifier"
    CLAIMS = "claims"


Profile = Annotated[
    str,
    typer.Option(
        "--profile", help="Configuration: embedded, laptop, local, cluster, or the path of a .yaml file like them."
    ),
]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Changes one value of the configuration.")
]


def evaluate(
    subject: Annotated[Subject, typer.Argument(help="What to evaluate.", show_default=False)],
    folder: Annotated[
        str,
        typer.Argument(
            help="Labelled audio in the format that docs/ describes for each subject; verifier and claims: a corpus.",
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
        Path | None, typer.Option("--labels", help="claims: the folder with labels of the corpus's recordings.")
    ] = None,
) -> None:
    """Measure on labelled audio: segmentation and routing compared with simple ways of cutting, or a branch's backends.

    segmentation reads scenes.jsonl, clips.jsonl or ami.jsonl; speech reads clips.jsonl with transcripts, ami.jsonl
    with speaker turns, or both; music reads pieces.jsonl; general reads sounds.jsonl, scenes.jsonl or clips.jsonl.

    verifier measures on a corpus with captions: it is asked about their claims, and about claims of other recordings
    in their place. It needs captions.verifier in the configuration, and its server.

    claims counts what the captions of a corpus say against --labels, a folder with any of clips.jsonl, scenes.jsonl,
    ami.jsonl and pieces.jsonl.
    """
    if subject is Subject.CLAIMS:
        _evaluate_claims(folder, labels)
        return
    config = _configuration(profile, overrides)
    if subject is Subject.VERIFIER:
        _evaluate_verifier(folder, config, segments, seed)
    else:
        _EVALUATIONS[subject](Path(folder), config)


def _evaluate_segmentation(folder: Path, config: RunConfig) -> None:
    from soundseam.annotators.detection.silero_vad import SileroVad
    from soundseam.pipeline.config import SetupError
    from soundseam.pipeline.evaluation.labelled import LabelledFolderError, read_labelled_folder
    from soundseam.pipeline.evaluation.segmentation import evaluate_segmentation

    try:
        labelled = read_labelled_folder(folder)
    except LabelledFolderError as error:
        raise SetupError(f"{error}: give a folder in the format that docs/segmentation.md describes") from error
    lines = list(evaluate_segmentation(labelled, _detectors(config), config.segmentation, SileroVad().load()))
    Console(width=None).print(_turned(lines))


def _evaluate_speech(folder: Path, config: RunConfig) -> None:
    from soundseam.annotators.base import BackendUnavailableError
    from soundseam.pipeline.config import SetupError
    from soundseam.pipeline.evaluation.labelled import LabelledFolderError
    from soundseam.pipeline.evaluation.speech import speech_tables

    try:
        for title, backends, rows in speech_tables(folder, config.branches.speech):
            Console(width=None).print(_side_by_side(title, backends, rows))
    except LabelledFolderError as error:
        raise SetupError(f"{error}: give a folder in the format that docs/speech.md describes") from error
    except (BackendUnavailableError, ModuleNotFoundError) as error:
        raise SetupError(f"{error}; the measures need: pip install 'soundseam[speech,evaluate]'") from error


def _evaluate_music(folder: Path, config: RunConfig) -> None:
    from soundseam.annotators.base import BackendUnavailableError
    from soundseam.pipeline.config import SetupError
    from soundseam.pipeline.evaluation.labelled import LabelledFolderError, loadable
    from soundseam.pipeline.evaluation.music import MEASURES, evaluate_music

    backends = [
        backend for backend in config.branches.music if not backend.reads_annotations and not backend.hears_flac
    ]
    try:
        found = evaluate_music(folder, loadable(backends))
    except LabelledFolderError as error:
        raise SetupError(f"{error}: give a folder in the format that docs/music.md describes") from error
    except (BackendUnavailableError, ModuleNotFoundError) as error:
        raise SetupError(f"{error}; the measures need: pip install 'soundseam[evaluate]'") from error
    rows = [(measure, [scores.mean(measure) for scores in found.backends]) for measure in MEASURES]
    rows.append(("times_real_time", [scores.times_real_time for scores in found.backends]))
    title = f"Music: {found.pieces} pieces, {found.audio_s:.0f} s"
    Console(width=None).print(_side_by_side(title, [scores.backend for scores in found.backends], rows))


def _evaluate_general(folder: Path, config: RunConfig) -> None:
    from soundseam.annotators.base import BackendUnavailableError
    from soundseam.pipeline.config import SetupError
    from soundseam.pipeline.evaluation.general import BackendScores, evaluate_general
    from soundseam.pipeline.evaluation.labelled import LabelledFolderError, loadable
    from soundseam.pipeline.evaluation.named_clips import CLIPS

    try:
        backends, detectors = loadable(config.branches.general), _detectors(config)
        if (folder / CLIPS).is_file():
            _evaluate_names(folder, backends, detectors)
            if not any((folder / name).is_file() for name in ("sounds.jsonl", "scenes.jsonl")):
                return
        found = evaluate_general(folder, backends, detectors)
    except LabelledFolderError as error:
        raise SetupError(f"{error}: give a folder in the format that docs/general.md describes") from error
    except BackendUnavailableError as error:
        raise SetupError(str(error)) from error
    plain = [name for name in BackendScores.model_fields if name not in ("backend", "measures", "times_real_time")]
    rows = [(name, [getattr(scores, name) for scores in found.backends]) for name in plain]
    measured = [dict(scores.measures) for scores in found.backends]
    rows += [(name, [values[name] for values in measured]) for name in measured[0]]
    rows.append(("times_real_time", [scores.times_real_time for scores in found.backends]))
    title = f"General: {found.recordings} recordings, {found.audio_s:.0f} s"
    Console(width=None).print(_side_by_side(title, [scores.backend for scores in found.backends], rows))


def _evaluate_names(folder: Path, backends: Sequence[Backend[GeneralFacts]], detectors: Sequence[Detector]) -> None:
    """Names of labelled clips by the profile's backends, and by AST for comparison if its weights are on this
    machine.
    """
    from soundseam.annotators.general.tagger import Tagger
    from soundseam.pipeline.evaluation.named_clips import NamedClips, evaluate_named_clips, is_at_hand

    beside = Tagger(name="ast")
    if is_at_hand(beside) and beside.backend not in {backend.backend for backend in backends}:
        backends = [*backends, beside]
    found = evaluate_named_clips(folder, backends, detectors)
    plain = [name for name in NamedClips.model_fields if name != "source"]
    rows = [(name, [getattr(scores, name) for scores in found]) for name in plain]
    Console(width=None).print(_side_by_side("Names of labelled clips", [scores.source for scores in found], rows))


def _evaluate_verifier(output: str, config: RunConfig, segments: int, seed: int) -> None:
    from soundseam.annotators.base import BackendUnavailableError
    from soundseam.annotators.chat.client import ServerClient
    from soundseam.pipeline.config import SetupError
    from soundseam.pipeline.evaluation.verifier import evaluate_verifier, verifier_tables
    from soundseam.pipeline.local.progress import ProgressLog
    from soundseam.pipeline.stages.asking import asking

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
    with asking(ServerClient(verifier.server), output, "evaluate", ProgressLog()) as asker:
        found = evaluate_verifier(output, verifier, asker, segments, seed)
    for table in verifier_tables(found):
        Console(width=None).print(table)


def _evaluate_claims(output: str, labels: Path | None) -> None:
    from soundseam.pipeline.config import SetupError
    from soundseam.pipeline.evaluation.claims import claim_tables, evaluate_claims
    from soundseam.pipeline.evaluation.labelled import LabelledFolderError

    if labels is None:
        raise SetupError("claims are held against labels: name their folder by --labels, as --labels samples/truth")
    try:
        scores = evaluate_claims(output, labels)
    except LabelledFolderError as error:
        raise SetupError(f"{error}: give a folder with lists that docs/captions.md describes") from error
    for table in claim_tables(scores):
        Console(width=None).print(table)


_EVALUATIONS = {
    Subject.SEGMENTATION: _evaluate_segmentation,
    Subject.SPEECH: _evaluate_speech,
    Subject.MUSIC: _evaluate_music,
    Subject.GENERAL: _evaluate_general,
}


def show(
    recording: Annotated[Path, typer.Argument(help="One audio file.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="Picture to write: .png, .pdf or .svg.")],
    start: Annotated[float, typer.Option("--start", min=0.0, help="Start of the picture, in seconds.")] = 0.0,
    seconds: Annotated[
        float, typer.Option("--seconds", min=0.1, help="Length of the picture, in seconds; at most 20 minutes.")
    ] = 1200.0,
    profile: Profile = "embedded",
    overrides: Overrides = None,
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
    Console().print(f"{output}: {count} segments", highlight=False)


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


def _turned(lines: list[MethodScores]) -> Table:
    """Ways of cutting side by side, one row per figure: a terminal is not wide enough for the transposed table."""
    from soundseam.pipeline.evaluation.segmentation import table_cells, table_columns

    cells = [table_cells(line) for line in lines]
    table = Table(title="Segmentation", title_justify="left")
    for index, heading in enumerate(["", *(row[0] for row in cells)]):
        table.add_column(heading, justify="right" if index else "left")
    for number, name in enumerate(table_columns()):
        if number:
            table.add_row(name, *(row[number] for row in cells))
    return table


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
