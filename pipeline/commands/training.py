"""The commands that make training data of a corpus: `sft` and `export`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from soundseam.pipeline.commands.options import Corpus, Overrides, Runner, Workers
from soundseam.schemas.duplicate import LeaveOut

if TYPE_CHECKING:
    from soundseam.pipeline.export.counts import Counts
    from soundseam.pipeline.export.launch import ExportSummary
    from soundseam.pipeline.sft.audit import TaskAudit
    from soundseam.pipeline.sft.summary import SftSummary

Tasks = Annotated[list[str] | None, typer.Option("--task", help="Only this task; may be repeated.", show_default="all")]


def sft(
    context: typer.Context,
    output: Corpus,
    *,
    tasks: Tasks = None,
    config: Annotated[
        str | None,
        typer.Option(
            "--config", help="YAML file of tasks and their options; see docs/tasks.md.", show_default="built in"
        ),
    ] = None,
    overrides: Overrides = None,
    seed: Annotated[
        int | None,
        typer.Option("--seed", help="Another seed gives other wordings and splits.", show_default="0"),
    ] = None,
    groups: Annotated[
        str | None,
        typer.Option(
            "--groups",
            help="Parquet file of near-duplicates with columns recording_id and group; a group stays in one split.",
            show_default="OUT/duplicates, if dedup made it",
        ),
    ] = None,
    leave_out: Annotated[
        list[LeaveOut] | None,
        typer.Option(
            "--leave-out",
            help="copies: leave out all but the first of segments that dedup found alike. evaluation: leave out "
            "segments that are also in an evaluation set. May be repeated.",
            show_default="nothing",
        ),
    ] = None,
    check: Annotated[
        bool,
        typer.Option("--audit", help="Build nothing: show how many answers can be guessed, and any problems."),
    ] = False,
    workers: Workers = None,
    runner: Runner = "DirectRunner",
) -> None:
    """Build training samples of many tasks from a corpus.

    Only verified or measured facts become answers. Builds only what is new or has changed: the same command resumes.
    Options of a Beam pipeline are passed through.
    """
    from soundseam.pipeline.commands.display import ProgressDisplay
    from soundseam.pipeline.doctor import usable_cores
    from soundseam.pipeline.launch import output_in_use
    from soundseam.pipeline.sft.audit import audit
    from soundseam.pipeline.sft.build import load_sft_config
    from soundseam.pipeline.sft.launch import prepare_sft, run_sft
    from soundseam.pipeline.sft.read import Marks, are_outdated, read_marks
    from soundseam.pipeline.stages.graph import beam_options
    from soundseam.pipeline.storage.ownership import require_corpus

    chosen = load_sft_config(config, overrides or ())
    if seed is not None:
        chosen = chosen.model_copy(update={"seed": seed})
    if tasks:
        chosen = chosen.only(tuple(tasks))
    options = beam_options(context.args, runner)
    console = Console()
    require_corpus(output)
    if check:
        _show_audit(audit(output, chosen), console)
        return
    with output_in_use(output):
        marks = read_marks(output, groups, leave_out or ())
        if marks != Marks():
            console.print(str(marks), markup=False)
        job = prepare_sft(output, chosen, marks)
        if are_outdated(output):
            console.print(f"{output} has changed since soundseam dedup {output}: run it again", markup=False)
        if job.plan.is_empty:
            console.print(f"Nothing to do: the samples of {output} are up to date", markup=False)
        with ProgressDisplay(Console(stderr=True)) as display:
            summary = run_sft(job, workers or usable_cores(), display, options, runner)
    console.print(_samples_table(summary))
    _show_audit(summary.audit, console)


def _show_audit(audited: Sequence[TaskAudit], console: Console) -> None:
    """Prints what an audit finds; exits with 1 if a rule is broken."""
    table = Table(title="Audit", title_justify="left")
    for heading in ("task", "samples", "left out", "commonest", "guessed", "contradict"):
        table.add_column(heading, justify="left" if heading == "task" else "right", no_wrap=True)
    for one in audited:
        shares = ("" if share is None else f"{share:.0%}" for share in (one.commonest, one.guessed))
        table.add_row(one.task, f"{one.samples:,}", f"{one.thinned:,}", *shares, f"{one.contradictions:,}")
    console.print(table)
    for one in audited:
        if one.missing:
            console.print(f"no samples of {one.task}: {one.missing}", markup=False)
    problems = [f"{one.task}: {problem}" for one in audited for problem in one.problems]
    for problem in problems[:20]:
        console.print(problem, markup=False)
    if problems:
        raise typer.Exit(1)


def export(
    output: Corpus,
    *,
    to: Annotated[
        str,
        typer.Option(
            "--format",
            "--to",
            help="moss, swift, llamafactory, openai, qwen, hf, webdataset, lhotse, nemo or kaldi; once called --to.",
            show_default=False,
        ),
    ],
    target: Annotated[
        str, typer.Option("--output", "-o", help="Folder of the export, local or remote; created or continued.")
    ],
    stage: Annotated[
        str, typer.Option("--stage", help="sft: all tasks. pretrain: unified captions and transcripts.")
    ] = "sft",
    tasks: Tasks = None,
    samples: Annotated[
        int | None,
        typer.Option(
            "--samples",
            min=1,
            help="How many in all, mixed by the square root of size, or by the report's shares for pretraining.",
            show_default="each sample once",
        ),
    ] = None,
    quotas: Annotated[
        list[str] | None,
        typer.Option("--quota", metavar="TASK=N", help="Maximum number of samples of a task; may be repeated."),
    ] = None,
    weights: Annotated[
        list[str] | None,
        typer.Option(
            "--weight",
            metavar="NAME=FACTOR",
            help="Factor for the weight of a task, a language or a class; may be repeated.",
        ),
    ] = None,
    shard_mb: Annotated[int, typer.Option("--shard-mb", min=1, help="Approximate size of a shard.")] = 512,
    audio_root: Annotated[
        str | None,
        typer.Option("--audio-root", help="Prefix of audio paths.", show_default="the export's folder"),
    ] = None,
    reasoning: Annotated[
        bool, typer.Option("--reasoning/--no-reasoning", help="Write chains of reasoning before answers.")
    ] = True,
    conversations: Annotated[
        bool,
        typer.Option(
            "--conversations",
            help="Write all questions about a clip in one language as one conversation with the audio once.",
        ),
    ] = False,
    tables: Annotated[bool, typer.Option("--tables/--no-tables", help="hf: include the corpus's own tables.")] = True,
    seed: Annotated[int, typer.Option("--seed", help="With --samples or --quota: another seed draws others.")] = 0,
    replace: Annotated[bool, typer.Option("--replace", help="Replace an export made with other options.")] = False,
    workers: Workers = None,
) -> None:
    """Write samples with their audio in a format that a trainer reads.

    Streams part by part in constant memory; the same command resumes an export that was killed. Files that were not
    written by an export are never overwritten.
    """
    from soundseam.pipeline.doctor import usable_cores
    from soundseam.pipeline.export.launch import run_export
    from soundseam.pipeline.export.mixing import mix_from
    from soundseam.pipeline.export.plan import export_options, plan_export
    from soundseam.pipeline.export.target import check_export

    mix = mix_from(samples, quotas or (), weights or (), seed)
    options = export_options(
        {
            "to": to,
            "stage": stage,
            "tasks": tasks or (),
            "shard_mb": shard_mb,
            "audio_root": audio_root,
            "reasoning": reasoning,
            "conversations": conversations,
            "tables": tables,
            "mix": mix,
        }
    )
    with Console(stderr=True).status("reading samples") as status:
        plan = plan_export(output, target, options)
        check_export(plan, replace)
        summary = run_export(
            plan,
            workers or usable_cores(),
            lambda done, parts: status.update(f"{done:,} of {parts:,} parts"),
        )
    _show_export(summary, output, target, all_tasks=not tasks)


def _show_export(summary: ExportSummary, output: str, target: str, all_tasks: bool) -> None:
    console, errors = Console(), Console(stderr=True)
    console.print(_export_table(summary.counts))
    console.print(f"{summary.counts.total:,} samples are in {target}", markup=False)
    held = {name.rpartition("/")[0] for name in summary.counts.samples}
    if missing := [task for task in summary.shares if task not in held and all_tasks]:
        errors.print(
            f"No samples of {', '.join(missing)}, which should have a share of the mix: docs/tasks.md says what "
            "each needs",
            markup=False,
        )
    if summary.counts.lost:
        errors.print(
            f"{summary.counts.lost:,} samples are left out: their segments are gone. Run soundseam sft {output} again",
            markup=False,
        )


def _samples_table(summary: SftSummary) -> Table:
    table = Table(title="Samples", title_justify="left")
    for heading in ("task", "train", "validation", "hours"):
        table.add_column(heading, justify="left" if heading == "task" else "right")
    for task in summary.tasks:
        table.add_row(task.task, f"{task.train:,}", f"{task.validation:,}", f"{task.audio_ms / 3_600_000:,.2f}")
    return table


def _export_table(counts: Counts) -> Table:
    table = Table(title="Export", title_justify="left")
    for heading in ("task", "train", "validation"):
        table.add_column(heading, justify="left" if heading == "task" else "right")
    for task in sorted({name.rpartition("/")[0] for name in counts.samples}):
        numbers = (f"{counts.samples.get(f'{task}/{split}', 0):,}" for split in ("train", "validation"))
        table.add_row(task, *numbers)
    for reason, count in counts.skipped.items():
        table.add_row(f"left out: {reason}", f"{count:,}", "")
    return table


COMMANDS: Mapping[Callable[..., None], tuple[str, ...]] = {
    sft: (
        "soundseam sft out",
        "soundseam sft out --task asr --task caption --seed 1 --workers 2",
        "soundseam sft out --set seed=1",
    ),
    export: (
        "soundseam export out --format moss --output moss",
        "soundseam export out --format swift --output swift --conversations",
        "soundseam export out --format hf --output hf --stage pretrain --no-tables",
        "soundseam export out --format webdataset --output shards --samples 1000 --quota refusal=50 --weight zh=0.5",
    ),
}
"""Each with examples for its help, which tests run."""
