"""Plans and reads a pretraining mix: documents of several kinds, in shares of the tokens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter

from soundseam.pipeline.config import SetupError
from soundseam.pipeline.export.base import ExportOptions, Item, PartWriter, Place
from soundseam.pipeline.export.documents import document_tokens, documents_in, documents_of
from soundseam.pipeline.export.formats import format_named
from soundseam.pipeline.export.mixing import EvenTaker, MixConfig, Stratum, take_rates
from soundseam.pipeline.export.packs import PackWriter
from soundseam.pipeline.export.plan import (
    ExportPlan,
    Part,
    Rate,
    part_key,
    plan_export,
    samples_to_export,
    with_parts,
)
from soundseam.pipeline.export.reader import PartReader, stratum_of, taken_samples
from soundseam.pipeline.export.recipe import PretrainRecipe
from soundseam.pipeline.export.tokens import TextCounter, text_counter
from soundseam.pipeline.storage import files
from soundseam.pipeline.storage.corpus import Corpus
from soundseam.pipeline.work import SEGMENTS_STAGE
from soundseam.schemas.record import content_key
from soundseam.schemas.sample import Sample
from soundseam.schemas.tables import Table
from soundseam.schemas.timespan import TimeSpan


def planned(output: str, target: str, options: ExportOptions) -> ExportPlan:
    """The plan of an export, with or without a recipe. Raises SetupError if there is nothing to export."""
    recipe = options.recipe
    if recipe is None:
        return plan_export(output, target, options)
    tasks, samples = samples_to_export(output, options)
    count_text = text_counter(recipe.tokenizer)
    available = _measured(output, samples, options, recipe, count_text)
    rates = tuple(
        Rate(**stratum._asdict(), rate=round(rate, 9))
        for stratum, rate in sorted(token_rates(available, recipe, options.mix).items())
    )
    plan = with_parts(ExportPlan(output=output, target=target, options=options, tasks=tasks, rates=rates), samples)
    key = part_key(plan)
    texts = (
        Part(part=content_key([key, uri, files.sha256_of(uri)]), shards=(), recording_ids=(), text=uri)
        for uri in recipe.text
    )
    return plan.model_copy(update={"parts": (*plan.parts, *texts)})


def token_rates(available: Mapping[Stratum, int], recipe: PretrainRecipe, mix: MixConfig) -> dict[Stratum, float]:
    """How often each document of a stratum is used on average, so that kinds have their shares of the tokens.

    Without `recipe.tokens`, the most plentiful kind, compared with its share, is used once; if the scarcest one would
    have to be used more than `max_repeats` times for that, there are fewer tokens in all.
    """
    sizes: dict[str, int] = {}
    for stratum, tokens in available.items():
        sizes[stratum.task] = sizes.get(stratum.task, 0) + tokens
    shares = {kind: recipe.share_of(kind, list(sizes)) for kind in sizes}
    shares = {kind: share for kind, share in shares.items() if share > 0}
    if not shares:
        raise SetupError("there is no document of a kind with a share: docs/pretraining.md says what each kind needs")
    once = {kind: sizes[kind] / share for kind, share in shares.items()}
    total = recipe.tokens or min(max(once.values()), recipe.max_repeats * min(once.values()))
    rates = dict.fromkeys(available, 0.0)
    for kind, share in shares.items():
        own = {stratum: tokens for stratum, tokens in available.items() if stratum.task == kind}
        wanted = {
            "samples": max(1, round(total * share)),
            "size_power": 1.0,
            "max_repeats": recipe.max_repeats,
            "shares": {},
            "quotas": {},
        }
        rates |= take_rates(own, mix.model_copy(update=wanted))
    return rates


def _measured(
    output: str, samples: Corpus, options: ExportOptions, recipe: PretrainRecipe, count_text: TextCounter
) -> Counter[Stratum]:
    """The number of tokens of each stratum that fit into a context."""
    found: Counter[Stratum] = Counter()
    segments = Corpus.load_present(output, [SEGMENTS_STAGE])

    def add(document: Sample, clips_ms: Iterable[int]) -> None:
        tokens = document_tokens(document, clips_ms, count_text)
        if tokens <= recipe.context:
            found[stratum_of(document)] += tokens

    for shard in samples.shards():
        stage = samples.of_shard(shard)
        wanted = dict.fromkeys({name for each in stage.commits for name in stage.owners(each, {})}, "")
        spans = _spans(segments.of_shard(shard), wanted)
        for document in _documents(taken_samples(stage, options.stage, wanted), spans, recipe, count_text):
            own = spans[document.recording_id]
            add(document, (own[name].duration_ms if name in own else document.audio_ms for name in document.audio_ids))
    for uri in recipe.text:
        for document in documents_in(uri, recipe, count_text):
            add(document, ())
    return found


Spans = Mapping[str, Mapping[str, TimeSpan]]
"""recording_id → segment_id → its span, in order of time."""


def _spans(segments: Corpus, wanted: Mapping[str, str]) -> Spans:
    found: dict[str, dict[str, TimeSpan]] = {}
    columns = ("recording_id", "segment_id", "start_ms", "end_ms")
    for row in segments.rows(Table.SEGMENTS, columns, wanted, SEGMENTS_STAGE):
        span = TimeSpan(int(str(row["start_ms"])), int(str(row["end_ms"])))
        found.setdefault(str(row["recording_id"]), {})[str(row["segment_id"])] = span
    return {name: dict(sorted(spans.items())) for name, spans in found.items()}


def _documents(
    samples: Iterable[Sample], spans: Spans, recipe: PretrainRecipe, count_text: TextCounter
) -> Iterator[Sample]:
    """The documents of some recordings' samples, recording by recording; those without their segments are left out."""
    by_recording: dict[str, list[Sample]] = {}
    for sample in samples:
        if all(name in spans.get(sample.recording_id, {}) for name in sample.segment_ids):
            by_recording.setdefault(sample.recording_id, []).append(sample)
    for name, members in sorted(by_recording.items()):
        ordered = sorted(members, key=attrgetter("sample_id"))
        yield from documents_of(ordered, spans[name], recipe, count_text)


@dataclass
class DocumentReader(PartReader):
    """Reads a part's documents, each after its last segment has been read."""

    def items(self) -> Iterator[Item]:
        if self.part.text is None:
            yield from super().items()
            return
        for document in documents_in(self.part.text, self._recipe, self._count_text):
            yield from self._copies(document, self._uses(document), {})

    def _uses(self, sample: Sample) -> int:
        return self._taker.copies(stratum_of(sample))

    @cached_property
    def _taker(self) -> EvenTaker:
        return EvenTaker(self._rates, self.plan.options.mix.seed, self.part.part)

    @property
    def _recipe(self) -> PretrainRecipe:
        assert self.plan.options.recipe is not None
        return self.plan.options.recipe

    @cached_property
    def _count_text(self) -> TextCounter:
        return text_counter(self._recipe.tokenizer)

    def _found(self, segments: Corpus, samples: Corpus, mine: Mapping[str, str]) -> Iterator[Sample]:
        found = list(super()._found(segments, samples, mine))
        spans = _spans(segments, mine)
        there = {name for own in spans.values() for name in own}
        self.lost += sum(not there.issuperset(sample.segment_ids) for sample in found)
        yield from _documents(found, spans, self._recipe, self._count_text)


def part_reader(plan: ExportPlan, part: Part) -> PartReader:
    return PartReader(plan, part) if plan.options.recipe is None else DocumentReader(plan, part)


def part_writer(place: Place) -> PartWriter:
    """The writer of a part: of samples, or of packs if there is a recipe."""
    writer = format_named(place.options.to).writer(place)
    recipe = place.options.recipe
    return writer if recipe is None else PackWriter(writer, place.part, recipe)
