"""Plans an export: its samples and its parts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import ValidationError

from soundseam.pipeline.config import SetupError, did_you_mean
from soundseam.pipeline.export.base import Clip, ExportOptions, Item, Stage
from soundseam.pipeline.export.formats import format_named
from soundseam.pipeline.export.mixing import PRETRAIN_SHARES, MixConfig, Stratum, copies_of, take_rates
from soundseam.pipeline.sft.summary import Question, read_priors
from soundseam.pipeline.sft.tasks.caption import UNIFIED
from soundseam.pipeline.sft.words import LANGUAGES
from soundseam.pipeline.storage.commits import Commit, stages_in
from soundseam.pipeline.storage.corpus import Corpus, flac_in
from soundseam.pipeline.storage.ownership import require_corpus
from soundseam.pipeline.work import SEGMENTS_STAGE
from soundseam.schemas.event import EventClass
from soundseam.schemas.record import Record, content_key
from soundseam.schemas.sample import AnswerSpec, Message, MessageKind, Role, Sample, Scoring
from soundseam.schemas.tables import SAMPLES_FOLDER, Table

EXPORT_REVISION = "2"
"""Raise it whenever a format may write equal samples differently."""
_PLAIN_NAME = re.compile(r"[0-9A-Za-z_-][0-9A-Za-z_.-]*")
PART_BYTES = 512 * 2**20
"""Size of segments per part: the most that a killed export repeats, and the work of one worker at a time."""


class Part(Record):
    """Some recordings that are written together."""

    part: str
    """Key of its content."""
    shards: tuple[int, ...]
    """The corpus's shards with its recordings."""
    recording_ids: tuple[str, ...]


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
    parts: tuple[Part, ...]


def export_options(fields: Mapping[str, object]) -> ExportOptions:
    """Export options from those of the command line. Raises SetupError for invalid ones."""
    form = format_named(str(fields["to"]))
    if fields.get("conversations") and not form.holds_conversations:
        raise SetupError(f"{form.name} holds one question per entry: leave --conversations out")
    try:
        return ExportOptions.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = "-".join(str(part) for part in first["loc"]).replace("_", "-")
        choices = [choice.strip(" '") for choice in str(first.get("ctx", {}).get("expected", "")).split(" or ")]
        raise SetupError(
            f"--{name}: {first['msg']}{did_you_mean(str(fields[str(first['loc'][0])]), choices)}"
        ) from error


def plan_export(output: str, target: str, options: ExportOptions) -> ExportPlan:
    """Raises SetupError if there are no samples to export."""
    require_corpus(output)
    tasks = _tasks(output, options)
    segments = Corpus.load_present(output, [SEGMENTS_STAGE])
    samples = Corpus.load_present(output, [f"{SAMPLES_FOLDER}/{task}" for task in tasks])
    if not any(entry.rows for commits in samples.commits.values() for commit in commits for entry in commit.files):
        raise SetupError(f"there is nothing to export: {output} has no sample of {', '.join(tasks) or options.stage}")
    rates = () if options.mix.takes_all else _rates(samples, tasks, options)
    key = content_key([EXPORT_REVISION, _options_key(options), list(tasks), [rate.model_dump() for rate in rates]])
    parts = tuple(_parts(segments, samples, key))
    return ExportPlan(output=output, target=target, options=options, tasks=tasks, rates=rates, parts=parts)


def is_taken(stage: Stage, kind: str, task: str) -> bool:
    """Whether a task's question belongs to a stage: pretraining uses unified captions and transcripts."""
    return stage is Stage.SFT or (task in PRETRAIN_SHARES and (task != "caption" or kind in UNIFIED))


def mix_of(options: ExportOptions) -> MixConfig:
    """The mix, with the report's shares for pretraining if none are given."""
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
        for row in samples.rows(stage, ["kind", "language", "event_class"]):
            if is_taken(options.stage, str(row["kind"]), task):
                counts[Stratum(task, str(row["language"]), str(row["event_class"]))] += 1
    rates = take_rates(counts, mix_of(options))
    return tuple(Rate(**stratum._asdict(), rate=round(rate, 9)) for stratum, rate in sorted(rates.items()))


def _options_key(options: ExportOptions) -> str:
    # The rates decide how many are used; the seed decides which ones.
    fields = options.model_dump(mode="json", exclude={"mix", "tasks", "tables"})
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


_SEGMENT_COLUMNS = ("recording_id", "segment_id", "start_ms", "end_ms", "audio")


@dataclass
class PartReader:
    """Reads a part's samples in the order of its segments, each after its last clip has been read.

    Keeps the texts of one commit's samples in memory, and the audio of segments needed by samples with several clips.
    `lost` counts samples whose audio is missing because the corpus was rebuilt after them.
    """

    plan: ExportPlan
    part: Part
    lost: int = 0
    _clips: dict[str, Clip] = field(default_factory=dict)

    def items(self) -> Iterator[Item]:
        priors = read_priors(self.plan.output)
        for shard in self.part.shards:
            yield from self._items_of(shard, priors)

    def _items_of(self, shard: int, priors: Mapping[tuple[Question, str], float]) -> Iterator[Item]:
        segments = Corpus.load(self.plan.output, [SEGMENTS_STAGE], shard)
        stages = [f"{SAMPLES_FOLDER}/{task}" for task in self.plan.tasks]
        samples = Corpus.load(self.plan.output, stages, shard)
        wanted = set(self.part.recording_ids)
        for commit in segments.commits[SEGMENTS_STAGE]:
            mine = dict.fromkeys(sorted(wanted & commit.recording_ids), "")
            if mine:
                waiting = self._samples(samples, mine)
                yield from self._joined(segments, mine, waiting, priors)
                wanted -= mine.keys()

    def _samples(self, samples: Corpus, mine: Mapping[str, str]) -> list[tuple[Sample, int]]:
        """Samples with the number of their uses, in order of id."""
        rates = {Stratum(rate.task, rate.language, rate.event_class): rate.rate for rate in self.plan.rates}
        options = self.plan.options
        found = []
        for stage in samples.commits:
            for row in samples.rows(stage, None, mine):
                sample = Sample.model_validate(row)
                stratum = Stratum(sample.task, sample.language, str(sample.event_class))
                rate = rates.get(stratum, 0.0) if rates else 1.0
                copies = copies_of(sample.sample_id, rate, options.mix.seed)
                if copies and is_taken(options.stage, sample.kind, sample.task):
                    found.append((sample, copies))
        return sorted(found, key=lambda pair: pair[0].sample_id)

    def _joined(
        self,
        segments: Corpus,
        mine: Mapping[str, str],
        samples: Sequence[tuple[Sample, int]],
        priors: Mapping[tuple[Question, str], float],
    ) -> Iterator[Item]:
        waiting: dict[str, list[tuple[Sample, int]]] = {}
        needed: dict[str, int] = {}
        for pair in samples:
            # Segments are in order of time, and so are their ids.
            waiting.setdefault(max(pair[0].segment_ids), []).append(pair)
            for segment_id in set(pair[0].segment_ids):
                needed[segment_id] = needed.get(segment_id, 0) + 1
        for row in segments.rows(Table.SEGMENTS, _SEGMENT_COLUMNS, mine):
            clip = _clip(row)
            if clip.segment_id in needed:
                self._clips[clip.segment_id] = clip
            ready = waiting.pop(clip.segment_id, [])
            there = [pair for pair in ready if all(name in self._clips for name in pair[0].segment_ids)]
            self.lost += len(ready) - len(there)
            for sample, copies in self._in_conversations(there):
                yield from self._copies(sample, copies, priors)
            for sample, _ in ready:
                self._release(sample, needed)
        self.lost += sum(len(pairs) for pairs in waiting.values())
        self._clips.clear()

    def _in_conversations(self, ready: Sequence[tuple[Sample, int]]) -> list[tuple[Sample, int]]:
        """The samples; if requested, those of one clip and language as one conversation."""
        options = self.plan.options
        if not (options.conversations and format_named(options.to).holds_conversations):
            return list(ready)
        alone = [pair for pair in ready if len(pair[0].segment_ids) > 1]
        by_language: dict[str, list[Sample]] = {}
        for sample, copies in ready:
            if len(sample.segment_ids) == 1:
                by_language.setdefault(sample.language, []).extend([sample] * min(copies, 1))
        return [(conversation_of(members, options.reasoning), 1) for members in by_language.values()] + alone

    def _copies(self, sample: Sample, copies: int, priors: Mapping[tuple[Question, str], float]) -> Iterator[Item]:
        question = (sample.task, sample.kind, sample.topic, sample.language)
        prior = priors.get((question, sample.answer_spec.reference))
        clips = tuple(self._clips[segment_id] for segment_id in sample.segment_ids)
        for number in range(copies):
            key = sample.sample_id if number == 0 else f"{sample.sample_id}-{number + 1}"
            yield Item(key, sample, clips, prior, self.plan.options.reasoning)

    def _release(self, sample: Sample, needed: dict[str, int]) -> None:
        for segment_id in set(sample.segment_ids):
            needed[segment_id] -= 1
            if not needed[segment_id]:
                self._clips.pop(segment_id, None)


_LAST = ("caption", "asr", "asr_words", "asr_sentences", "speaker_transcript", "lyrics", "event_list")
"""Tasks whose answers reveal others: they come last."""


def conversation_of(samples: Sequence[Sample], with_reasoning: bool) -> Sample:
    """Samples about one clip in one language as one: the audio once, then each question with its answer."""
    ordered = sorted(samples, key=lambda one: (one.task in _LAST, one.sample_id))
    first = ordered[0]
    audio = [message for message in first.messages if message.kind is MessageKind.AUDIO]
    turns = [
        Message(role=role, kind=MessageKind.TEXT, content=text)
        for sample in ordered
        for role, text in (
            (Role.USER, sample.question),
            (Role.ASSISTANT, Item("", sample, (), None, with_reasoning).answer),
        )
    ]
    return first.model_copy(
        update={
            "sample_id": f"{first.segment_ids[0]}-conversation-{first.language}",
            "task": CONVERSATION,
            "kind": "turns",
            "topic": "",
            "messages": (*audio, *turns),
            "reasoning": None,
            "answer_spec": AnswerSpec(scoring=Scoring.OPEN, reference=ordered[-1].answer),
            "evidence": tuple(dict.fromkeys(one for sample in ordered for one in sample.evidence)),
            "verdicts": tuple(dict.fromkeys(verdict for sample in ordered for verdict in sample.verdicts)),
        }
    )


CONVERSATION = "conversation"


def _clip(row: Mapping[str, object]) -> Clip:
    if not _PLAIN_NAME.fullmatch(name := str(row["segment_id"])):
        # Files of an export are named by it: from a corpus of somebody else it might lead out of the folder.
        raise SetupError(f"{name!r} is no id of a segment: was this corpus made by Soundseam?")
    return Clip(name, flac_in(row), int(str(row["end_ms"])) - int(str(row["start_ms"])))
