"""Plans an export: its samples and its parts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from pydantic import ValidationError

from soundseam.pipeline.config import SetupError, did_you_mean
from soundseam.pipeline.export.base import ExportOptions, Format, Stage, Window
from soundseam.pipeline.export.equal import survey, windows
from soundseam.pipeline.export.formats import format_named, holding_packs
from soundseam.pipeline.export.mixing import (
    PRETRAIN_SHARES,
    PRETRAIN_TASKS,
    MixConfig,
    Stratum,
    copies_of,
    take_rates,
)
from soundseam.pipeline.export.recipe import PretrainRecipe
from soundseam.pipeline.sft.tasks.caption import UNIFIED
from soundseam.pipeline.sft.words import LANGUAGES
from soundseam.pipeline.storage.commits import Commit, stages_in
from soundseam.pipeline.storage.corpus import Corpus, Row
from soundseam.pipeline.storage.ownership import require_corpus
from soundseam.pipeline.work import SEGMENTS_STAGE
from soundseam.schemas.event import EventClass
from soundseam.schemas.record import Record, content_key
from soundseam.schemas.tables import SAMPLES_FOLDER

EXPORT_REVISION = "3"
"""Raise it whenever a format may write equal samples differently."""
MEGABYTE = 2**20
PART_BYTES = 512 * 2**20
"""Size of segments per part: the most that a killed export repeats, and the work of one worker at a time."""


class Part(Record):
    """Some recordings that are written together."""

    part: str
    """Key of its content."""
    shards: tuple[int, ...]
    """The corpus's shards with its recordings."""
    recording_ids: tuple[str, ...]
    text: str | None = None
    """Instead of recordings, a file of text."""
    window: Window | None = None
    """Which entries of the recordings, in formats with equal shards."""


class Rate(Record):
    """How often samples of one stratum are used, on average."""

    task: str
    language: str
    event_class: str
    rate: float


class ExportPlan(Record):
    """Everything that a worker needs besides its part."""

    output: str
    target: str
    options: ExportOptions
    tasks: tuple[str, ...]
    rates: tuple[Rate, ...]
    """Empty if every sample is used once."""
    parts: tuple[Part, ...] = ()
    surveyed: Survey | None = None
    """What was counted to make equal shards."""


class Survey(Record):
    """Numbers that parts with a window cannot count themselves, since they share recordings."""

    lost: int = 0
    """Samples whose segments are gone."""
    clips_ms: int = 0
    """Total length of the clips, each counted once."""


def export_options(fields: Mapping[str, object]) -> ExportOptions:
    """Export options from those of the command line. Raises SetupError for invalid ones."""
    form = format_named(str(fields["to"]))
    if fields.get("conversations") and not form.holds_conversations:
        raise SetupError(f"{form.name} holds one question per entry: leave --conversations out")
    if isinstance(fields.get("recipe"), PretrainRecipe):
        _check_packs(form, fields)
        fields = {**fields, "stage": Stage.PRETRAIN}
    try:
        return ExportOptions.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = "-".join(str(part) for part in first["loc"]).replace("_", "-")
        choices = [choice.strip(" '") for choice in str(first.get("ctx", {}).get("expected", "")).split(" or ")]
        raise SetupError(
            f"--{name}: {first['msg']}{did_you_mean(str(fields[str(first['loc'][0])]), choices)}"
        ) from error


def _check_packs(form: Format, fields: Mapping[str, object]) -> None:
    """Raises SetupError for a format or an option that does not go with a recipe."""
    if not form.holds_packs:
        raise SetupError(
            f"{form.name} cannot hold packs of audio and text: choose {', '.join(holding_packs())}, or write captions "
            "and transcripts one by one with --stage pretrain instead of --recipe"
        )
    mix = MixConfig.model_validate(fields.get("mix", {}))
    if fields.get("conversations") or fields.get("tasks") or not mix.takes_all or mix.tasks:
        raise SetupError(
            "a recipe chooses documents itself: leave out --task, --samples, --quota, --conversations and the --weight "
            "of a task, and use --set shares.KIND=NUMBER and --set tokens=NUMBER"
        )


def plan_export(output: str, target: str, options: ExportOptions) -> ExportPlan:
    """Raises SetupError if there are no samples to export."""
    tasks, samples = samples_to_export(output, options)
    rates = () if options.mix.takes_all else _rates(samples, tasks, options)
    plan = ExportPlan(output=output, target=target, options=options, tasks=tasks, rates=rates)
    if format_named(options.to).equal_shards:
        segments = Corpus.load_present(output, [SEGMENTS_STAGE])
        return _equal_parts(plan, segments, samples, part_key(plan))
    return with_parts(plan, samples)


def samples_to_export(output: str, options: ExportOptions) -> tuple[tuple[str, ...], Corpus]:
    """The chosen tasks, and the state of their samples. Raises SetupError if there are none."""
    require_corpus(output)
    tasks = _tasks(output, options)
    samples = Corpus.load_present(output, [f"{SAMPLES_FOLDER}/{task}" for task in tasks])
    if not any(entry.rows for commits in samples.commits.values() for commit in commits for entry in commit.files):
        raise SetupError(f"there is nothing to export: {output} has no sample of {', '.join(tasks) or options.stage}")
    return tasks, samples


def with_parts(plan: ExportPlan, samples: Corpus) -> ExportPlan:
    """`plan` with the parts of its samples."""
    segments = Corpus.load_present(plan.output, [SEGMENTS_STAGE])
    return plan.model_copy(update={"parts": tuple(_parts(segments, samples, part_key(plan)))})


def part_key(plan: ExportPlan) -> str:
    """Key of everything that a part's files depend on, except for its content."""
    rates = [rate.model_dump() for rate in plan.rates]
    return content_key([EXPORT_REVISION, _options_key(plan.options), list(plan.tasks), rates])


def is_taken(stage: Stage, kind: str, task: str) -> bool:
    """Whether a task's question belongs to a stage: pretraining uses unified captions and transcripts."""
    return stage is Stage.SFT or (task in PRETRAIN_TASKS and (task != "caption" or kind in UNIFIED))


def mix_of(options: ExportOptions) -> MixConfig:
    """The mix, with the report's shares for pretraining if none are given."""
    if options.recipe is not None:
        return options.mix.model_copy(
            update={"shares": {str(kind): one for kind, one in options.recipe.shares.items()}}
        )
    if options.stage is Stage.PRETRAIN and not options.mix.shares:
        return options.mix.model_copy(update={"shares": PRETRAIN_SHARES})
    return options.mix


def _tasks(output: str, options: ExportOptions) -> tuple[str, ...]:
    prefix = f"{SAMPLES_FOLDER}/"
    built = [stage.removeprefix(prefix) for stage in stages_in(output) if stage.startswith(prefix)]
    if not built:
        raise SetupError(f"there are no samples in {output}: build them with soundseam sft {output}")
    unknown = sorted(set(options.tasks) - set(built))
    if unknown:
        raise SetupError(f"no samples of {', '.join(unknown)} in {output}: there are {', '.join(built)}")
    named = {*options.mix.tasks, *options.mix.quotas, *options.mix.shares}
    if unnamed := sorted(named - set(built)):
        raise SetupError(
            f"{', '.join(unnamed)}: no samples of that name in {output}. Tasks are {', '.join(built)}; languages "
            f"{', '.join(LANGUAGES)}; classes {', '.join(EventClass)}"
        )
    wanted = [task for task in built if options.stage is Stage.SFT or task in PRETRAIN_TASKS]
    return tuple(task for task in wanted if not options.tasks or task in options.tasks)


def _rates(samples: Corpus, tasks: Sequence[str], options: ExportOptions) -> tuple[Rate, ...]:
    counts: Counter[Stratum] = Counter()
    for task in tasks:
        stage = f"{SAMPLES_FOLDER}/{task}"
        for row in samples.rows(stage, ["kind", "language", "event_class"]):
            if is_taken(options.stage, str(row["kind"]), task):
                counts[Stratum(task, str(row["language"]), str(row["event_class"]))] += 1
    rates = take_rates(counts, mix_of(options))
    return tuple(Rate(**stratum._asdict(), rate=round(rate, 9)) for stratum, rate in sorted(rates.items()))


def _options_key(options: ExportOptions) -> str:
    # The rates decide how many are used; the seed decides which ones.
    left_out = {"mix", "tasks", "tables", *(() if options.recipe else ("recipe",))}
    fields = options.model_dump(mode="json", exclude=left_out)
    return content_key([fields, options.mix.seed])


def _parts(segments: Corpus, samples: Corpus, key: str) -> Iterator[Part]:
    built = _sample_keys(samples)
    owners = segments.owners(SEGMENTS_STAGE, {})
    pending: list[tuple[str, str]] = []
    shards: dict[int, None] = {}
    size = 0
    for commit in sorted(segments.commits[SEGMENTS_STAGE], key=lambda commit: (commit.shard, commit.commit_id)):
        mine = [(name, its_key) for name, its_key in commit.covers if owners[name] is commit and name in built]
        if pending and size + _bytes(commit) > PART_BYTES:
            yield _part(tuple(shards), pending, built, key)
            pending, shards, size = [], {}, 0
        if mine:
            shards[commit.shard] = None
            pending += mine
            size += _bytes(commit)
    if pending:
        yield _part(tuple(shards), pending, built, key)


def _part(shards: tuple[int, ...], pairs: Sequence[tuple[str, str]], built: Mapping[str, list[str]], key: str) -> Part:
    members = sorted(pairs)
    identity = content_key([key, [[name, its_key, built[name]] for name, its_key in members]])
    return Part(part=identity, shards=shards, recording_ids=tuple(name for name, _ in members))


def _sample_keys(samples: Corpus) -> dict[str, list[str]]:
    """recording_id → the keys of its samples, task by task."""
    keys: dict[str, list[str]] = {}
    for stage in sorted(samples.commits):
        covers = {id(commit): dict(commit.covers) for commit in samples.commits[stage]}
        for name, commit in samples.owners(stage, {}).items():
            keys.setdefault(name, []).append(covers[id(commit)][name])
    return keys


def _bytes(commit: Commit) -> int:
    return sum(entry.bytes for entry in commit.files if entry.table == SEGMENTS_STAGE)


def _equal_parts(plan: ExportPlan, segments: Corpus, samples: Corpus, key: str) -> ExportPlan:
    """The plan with a part for each of a few shards, whose numbers of entries differ by one at most."""
    built = _sample_keys(samples)
    shards = sorted({commit.shard for commit in segments.commits[SEGMENTS_STAGE]})
    stages = [f"{SAMPLES_FOLDER}/{task}" for task in plan.tasks]
    found = survey(plan.output, shards, stages, built, _counter_of_uses(plan))
    its_keys = dict(pair for commit in segments.commits[SEGMENTS_STAGE] for pair in commit.covers)
    parts = []
    for (split, pairs), members in sorted(found.members.items()):
        for window, inside in windows(split, pairs, members, plan.options.shard_mb * MEGABYTE):
            names = tuple(member.recording_id for member in inside)
            content = [[name, its_keys.get(name, ""), built[name]] for name in names]
            identity = content_key([key, window.model_dump(mode="json"), content])
            corpus_shards = tuple(dict.fromkeys(member.shard for member in inside))
            parts.append(Part(part=identity, shards=corpus_shards, recording_ids=names, window=window))
    surveyed = Survey(lost=found.lost, clips_ms=found.clips_ms)
    return plan.model_copy(update={"parts": tuple(parts), "surveyed": surveyed})


def _counter_of_uses(plan: ExportPlan) -> Callable[[Row], int]:
    """How often the export takes a sample, given some columns of its row."""
    rates = {Stratum(rate.task, rate.language, rate.event_class): rate.rate for rate in plan.rates}
    options = plan.options

    def uses(row: Row) -> int:
        task = str(row["task"])
        if not is_taken(options.stage, str(row["kind"]), task):
            return 0
        rate = rates.get(Stratum(task, str(row["language"]), str(row["event_class"])), 0.0) if rates else 1.0
        return copies_of(str(row["sample_id"]), rate, options.mix.seed)

    return uses
