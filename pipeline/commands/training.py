"""The commands that make training data of a corpus: `sft` and `export`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from soundseam.pipeline.commands.options import Corpus, Overrides, Runner, Workers
from soundseam.pipeline.commands.terminal import Terminal
from soundseam.schemas.duplicate import LeaveOut

if TYPE_CHECKING:
    from rich.console import RenderableType

    from soundseam.pipeline.export.counts import Counts
    from soundseam.pipeline.export.recipe import PretrainRecipe
    from soundseam.pipeline.sft.audit import TaskAudit
    from soundseam.pipeline.sft.summary import SftSummary

MAX_PROBLEMS = 20
"""An audit shows at most this many problems."""


def _complete_task(incomplete: str) -> list[str]:
    from soundseam.pipeline.sft.build import load_sft_config

    return [task.task for task in load_sft_config(None).tasks if task.task.startswith(incomplete)]


def _complete_format(incomplete: str) -> list[str]:
    from soundseam.pipeline.export.formats import FORMATS

    return [name for name in FORMATS if name.startswith(incomplete)]


Tasks = Annotated[
    list[str] | None,
    typer.Option("--task", help="Only this task; may be repeated.", show_default="all", autocompletion=_complete_task),
]


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
    terminal: Terminal,
) -> None:
    """Build training samples of many tasks from a corpus.

    Only verified or measured facts become answers. Builds only what is new or has changed: the same command resumes.
    Options of a Beam pipeline are passed through.
    """
    from soundseam.pipeline.doctor import usable_cores
    from soundseam.pipeline.launch import output_in_use
    from soundseam.pipeline.local.pool import LOCAL_RUNNERS
    from soundseam.pipeline.sft.audit import audit
    from soundseam.pipeline.sft.build import load_sft_config, sft_server_settings
    from soundseam.pipeline.sft.launch import check_sft_servers, prepare_sft, run_sft
    from soundseam.pipeline.sft.read import Marks, are_outdated, read_marks, require_samples
    from soundseam.pipeline.stages.graph import beam_options
    from soundseam.pipeline.storage.ownership import require_corpus

    chosen = load_sft_config(config, overrides or ())
    if seed is not None:
        chosen = chosen.model_copy(update={"seed": seed})
    if tasks:
        chosen = chosen.only(tuple(tasks))
    options = beam_options(context.args, runner)
    require_corpus(output)
    if check:
        require_samples(output)
        audited = audit(output, chosen)
        terminal.result({"audit": audited}, *_audit_parts(audited))
        _check_audit(audited)
        return
    with output_in_use(output):
        marks = read_marks(output, groups, leave_out or ())
        if marks != Marks():
            terminal.show(str(marks))
        job = prepare_sft(output, chosen, marks)
        if are_outdated(output):
            terminal.show(f"{output} has changed since soundseam dedup {output}: run it again")
        if job.plan.is_empty:
            terminal.show(f"Nothing to do: the samples of {output} are up to date")
        with terminal.progress() as display:
            for notice in check_sft_servers(job, sft_server_settings(config, overrides or ()), runner in LOCAL_RUNNERS):
                display.note(notice)
            summary = run_sft(job, workers or usable_cores(), display, options, runner)
    terminal.result(
        {"tasks": summary.tasks, "audit": summary.audit}, _samples_table(summary), *_audit_parts(summary.audit)
    )
    _check_audit(summary.audit)


def _audit_parts(audited: Sequence[TaskAudit]) -> Iterator[RenderableType]:
    """What an audit finds: a table, tasks without samples with the reason, problems."""
    table = Table(title="Audit", title_justify="left")
    for heading in ("task", "samples", "left out", "commonest", "guessed", "contradict"):
        table.add_column(heading, justify="left" if heading == "task" else "right", no_wrap=True)
    for one in audited:
        shares = ("" if share is None else f"{share:.0%}" for share in (one.commonest, one.guessed))
        table.add_row(one.task, f"{one.samples:,}", f"{one.thinned:,}", *shares, f"{one.contradictions:,}")
    yield table
    yield from (f"no samples of {one.task}: {one.missing}" for one in audited if one.missing)
    yield from [f"{one.task}: {problem}" for one in audited for problem in one.problems][:MAX_PROBLEMS]


def _check_audit(audited: Sequence[TaskAudit]) -> None:
    """Exits with 1 if a rule is broken."""
    if any(one.problems for one in audited):
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
            autocompletion=_complete_format,
            show_default=False,
        ),
    ],
    target: Annotated[
        str, typer.Option("--output", "-o", help="Folder of the export, local or remote; created or continued.")
    ],
    stage: Annotated[
        str, typer.Option("--stage", help="sft: all tasks. pretrain: unified captions and transcripts, one by one.")
    ] = "sft",
    recipe: Annotated[
        str | None,
        typer.Option(
            "--recipe",
            help="pretrain: packs of transcripts, captions, interleaved audio and text, and text, in the report's "
            "shares of tokens. Or the path of a .yaml file like it; see docs/pretraining.md.",
            show_default="none",
        ),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY.PATH=VALUE", help="Changes one value of the recipe; may be repeated."),
    ] = None,
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
    terminal: Terminal,
) -> None:
    """Write samples with their audio in a format that a trainer reads.

    Streams part by part in constant memory; the same command resumes an export that was killed. Files that were not
    written by an export are never overwritten.
    """
    from soundseam.pipeline.config import SetupError
    from soundseam.pipeline.doctor import usable_cores
    from soundseam.pipeline.export.launch import run_export
    from soundseam.pipeline.export.mixing import mix_from
    from soundseam.pipeline.export.plan import export_options
    from soundseam.pipeline.export.pretrain import planned
    from soundseam.pipeline.export.recipe import load_recipe
    from soundseam.pipeline.export.target import check_export

    if overrides and recipe is None:
        raise SetupError("--set changes a value of a recipe: add --recipe pretrain")

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
            "recipe": None if recipe is None else load_recipe(recipe, overrides or ()),
        }
    )
    with terminal.status("reading samples") as update:
        plan = planned(output, target, options)
        check_export(plan, replace)
        summary = run_export(
            plan, workers or usable_cores(), lambda done, parts: update(f"{done:,} of {parts:,} parts")
        )
    counts = summary.counts
    terminal.result(
        {**summary.model_dump(), "total": counts.total},
        _export_table(counts) if options.recipe is None else _packs_table(options.recipe, counts),
        f"{counts.total:,} samples are in {target}{'' if summary.parts_written else ', as before: nothing was to do'}",
    )
    held = {name.rpartition("/")[0] for name in counts.samples}
    if missing := [task for task in summary.shares if task not in held and not tasks]:
        terminal.warn(
            f"No samples of {', '.join(missing)}, which should have a share of the mix: "
            f"docs/{'tasks' if recipe is None else 'pretraining'}.md says what each needs"
        )
    if counts.lost:
        terminal.warn(
            f"{counts.lost:,} samples are left out: their segments are gone. Run soundseam sft {output} again"
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


def _packs_table(recipe: PretrainRecipe, counts: Counts) -> Table:
    from soundseam.pipeline.export.packs import packing_line, shares_reached

    table = Table(title=packing_line(recipe, counts), title_justify="left")
    for heading in ("kind", "documents", "tokens", "wanted", "reached"):
        table.add_column(heading, justify="left" if heading == "kind" else "right")
    for kind, (wanted, reached, amount) in shares_reached(recipe, counts).items():
        documents = sum(count for name, count in counts.samples.items() if name.startswith(f"{kind}/"))
        numbers = (documents, amount.audio_tokens + amount.text_tokens)
        table.add_row(kind, *(f"{number:,}" for number in numbers), f"{wanted:.1%}", f"{reached:.1%}")
    for reason, count in counts.skipped.items():
        table.add_row(f"left out: {reason}", f"{count:,}")
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
        "soundseam export out --format webdataset --output packs --recipe pretrain --set context=4096",
        "soundseam export out --format webdataset --output shards --samples 1000 --quota refusal=50 --weight zh=0.5",
    ),
}
"""Each with examples for its help, which tests run."""
