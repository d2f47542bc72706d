"""Which samples an export takes, and the parts that it is written in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from pydantic import ValidationError

from pipeline.errors import SetupError
from pipeline.export.base import ExportOptions, Stage
from pipeline.export.formats import format_named
from pipeline.export.mixing import PRETRAIN_SHARES, MixConfig, Stratum, take_rates
from pipeline.inspection import committed_rows
from pipeline.sft.tasks.caption import UNIFIED
from pipeline.sft.words import LANGUAGES
from pipeline.storage.commits import Commit, Corpus, stages_in
from pipeline.storage.ownership import require_corpus
from pipeline.work import SEGMENTS_STAGE
from schemas.event import EventClass
from schemas.record import Record, content_key
from schemas.tables import SAMPLES_FOLDER

EXPORT_REVISION = "1"
"""Raised whenever a format may write equal samples otherwise."""
PART_BYTES = 512 * 2**20
"""Of segments: what a killed export does again at most, and what one worker takes at a time."""


class Part(Record):
    """Some recordings of one shard, written together."""

    part: str
    """Key of all that goes into it."""
    shard: int
    recording_ids: tuple[str, ...]


class Rate(Record):
    """How often samples of one stratum are taken, on the average."""

    task: str
    language: str
    event_class: str
    rate: float


class ExportPlan(Record):
    """Everything a worker needs to know besides its part."""

    output: str
    target: str
    options: ExportOptions
    tasks: tuple[str, ...]
    rates: tuple[Rate, ...]
    """Empty where every sample is taken once."""
    parts: tuple[Part, ...]


def export_options(fields: Mapping[str, object]) -> ExportOptions:
    """Options from a command line's. Raises SetupError, one line, for what cannot be."""
    format_named(str(fields["to"]))
    try:
        return ExportOptions.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = "-".join(str(part) for part in first["loc"]).replace("_", "-")
        raise SetupError(f"--{name}: {first['msg']}") from error


def plan_export(output: str, target: str, options: ExportOptions) -> ExportPlan:
    """Raises SetupError if there are no samples to export."""
    require_corpus(output)
    tasks = _tasks(output, options)
    segments = Corpus.load_present(output, [SEGMENTS_STAGE])
    samples = Corpus.load_present(output, [f"{SAMPLES_FOLDER}/{task}" for task in tasks])
    if not any(entry.rows for commits in samples.commits.values() for commit in commits for entry in commit.files):
        raise SetupError(f"there is nothing to export: {output} holds no sample of {', '.join(tasks) or options.stage}")
    rates = () if options.mix.takes_all else _rates(samples, tasks, options)
    key = content_key([EXPORT_REVISION, _options_key(options), list(tasks), [rate.model_dump() for rate in rates]])
    parts = tuple(_parts(segments, samples, key))
    return ExportPlan(output=output, target=target, options=options, tasks=tasks, rates=rates, parts=parts)


def is_taken(stage: Stage, kind: str, task: str) -> bool:
    """Whether a task's question belongs to a stage: pretraining takes unified captions and transcripts."""
    return stage is Stage.SFT or (task in PRETRAIN_SHARES and (task != "caption" or kind in UNIFIED))


def mix_of(options: ExportOptions) -> MixConfig:
    """The mix, with the report's shares where pretraining states none."""
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
    wanted = [task for task in built if options.stage is Stage.SFT or task in PRETRAIN_SHARES]
    return tuple(task for task in wanted if not options.tasks or task in options.tasks)


def _rates(samples: Corpus, tasks: Sequence[str], options: ExportOptions) -> tuple[Rate, ...]:
    counts: Counter[Stratum] = Counter()
    for task in tasks:
        stage = f"{SAMPLES_FOLDER}/{task}"
        one = Corpus(samples.output, {stage: samples.commits[stage]})
        for row in committed_rows(one, stage, ["recording_id", "kind", "language", "event_class"]):
            if is_taken(options.stage, str(row["kind"]), task):
                counts[Stratum(task, str(row["language"]), str(row["event_class"]))] += 1
    rates = take_rates(counts, mix_of(options))
    return tuple(Rate(**stratum._asdict(), rate=round(rate, 9)) for stratum, rate in sorted(rates.items()))


def _options_key(options: ExportOptions) -> str:
    # What decides how many are taken is in the rates; what decides which ones is the seed.
    fields = options.model_dump(mode="json", exclude={"mix", "tasks", "tables"})
    return content_key([fields, options.mix.seed])


def _parts(segments: Corpus, samples: Corpus, key: str) -> Iterator[Part]:
    built = _sample_keys(samples)
    owners = segments.owners(SEGMENTS_STAGE, {})
    pending: list[tuple[str, str]] = []
    shard, size = -1, 0
    for commit in sorted(segments.commits[SEGMENTS_STAGE], key=lambda commit: (commit.shard, commit.commit_id)):
        mine = [(name, its_key) for name, its_key in commit.covers if owners[name] is commit and name in built]
        if pending and (commit.shard != shard or size + _bytes(commit) > PART_BYTES):
            yield _part(shard, pending, built, key)
            pending, size = [], 0
        shard = commit.shard
        pending += mine
        size += _bytes(commit) if mine else 0
    if pending:
        yield _part(shard, pending, built, key)


def _part(shard: int, pairs: Sequence[tuple[str, str]], built: Mapping[str, list[str]], key: str) -> Part:
    members = sorted(pairs)
    identity = content_key([key, [[name, its_key, built[name]] for name, its_key in members]])
    return Part(part=identity, shard=shard, recording_ids=tuple(name for name, _ in members))


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
