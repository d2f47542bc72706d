"""Reads the samples of an export's parts, with their audio."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain, groupby
from operator import attrgetter

import soundfile

from soundseam.annotators.flac import to_pcm16
from soundseam.pipeline.export.base import SAMPLE_RATE_HZ, Clip, Item, Stage, Window, checked_name
from soundseam.pipeline.export.formats import format_named
from soundseam.pipeline.export.mixing import Stratum, copies_of
from soundseam.pipeline.export.plan import ExportPlan, Part, is_taken
from soundseam.pipeline.long.audio import Chunk, window_audio
from soundseam.pipeline.sft.summary import Question, read_priors
from soundseam.pipeline.storage.corpus import Corpus, flac_in
from soundseam.pipeline.work import SEGMENTS_STAGE
from soundseam.schemas.long import Window as RecordingWindow
from soundseam.schemas.sample import AnswerSpec, Message, MessageKind, Role, Sample, Scoring
from soundseam.schemas.tables import SAMPLES_FOLDER, LongTable, Table

_SEGMENT_COLUMNS = ("recording_id", "segment_id", "start_ms", "end_ms", "audio")


@dataclass
class PartReader:
    """Reads a part's samples in the order of its segments, each after its last clip has been read.

    Keeps the texts of one commit's samples in memory, and the audio of segments needed by samples with several clips.
    `lost` counts samples whose audio is missing because the corpus was rebuilt after them; parts with a window may
    share recordings, so the plan's survey counts these.
    """

    plan: ExportPlan
    part: Part
    lost: int = 0
    _clips: dict[str, Clip] = field(default_factory=dict)

    def items(self) -> Iterator[Item]:
        """All items of the part, or those in its window; items with the same clips are consecutive."""
        priors = read_priors(self.plan.output)
        every = chain.from_iterable(self._items_of(shard, priors) for shard in self.part.shards)
        yield from every if self.part.window is None else _in_window(every, self.part.window)

    def _items_of(self, shard: int, priors: Mapping[tuple[Question, str], float]) -> Iterator[Item]:
        segments = Corpus.load(self.plan.output, [SEGMENTS_STAGE], shard)
        stages = [f"{SAMPLES_FOLDER}/{task}" for task in self.plan.tasks]
        samples = Corpus.load(self.plan.output, stages, shard)
        wanted = set(self.part.recording_ids)
        for commit in segments.commits[SEGMENTS_STAGE]:
            mine = dict.fromkeys(sorted(wanted & commit.recording_ids), "")
            if mine:
                found = self._samples(segments, samples, mine)
                of_segments = [pair for pair in found if not is_about_window(pair[0])]
                yield from self._joined(segments, mine, of_segments, priors)
                of_windows = [pair for pair in found if is_about_window(pair[0])]
                for sample, copies, clip in with_window_audio(self.plan.output, shard, of_windows):
                    if clip is None:
                        self.lost += 1
                        continue
                    self._clips[clip.segment_id] = clip
                    yield from self._copies(sample, copies, priors)
                    self._clips.clear()
                wanted -= mine.keys()

    def _samples(self, segments: Corpus, samples: Corpus, mine: Mapping[str, str]) -> list[tuple[Sample, int]]:
        """Samples with the number of their uses, in order of id."""
        found = ((sample, self._uses(sample)) for sample in self._found(segments, samples, mine))
        return sorted(((sample, copies) for sample, copies in found if copies), key=lambda pair: pair[0].sample_id)

    def _uses(self, sample: Sample) -> int:
        rate = self._rates.get(stratum_of(sample), 0.0) if self._rates else 1.0
        return copies_of(sample.sample_id, rate, self.plan.options.mix.seed)

    @cached_property
    def _rates(self) -> Mapping[Stratum, float]:
        return {Stratum(rate.task, rate.language, rate.event_class): rate.rate for rate in self.plan.rates}

    def _found(
        self,
        segments: Corpus,  # noqa: ARG002 - for those that look at a segment's neighbours
        samples: Corpus,
        mine: Mapping[str, str],
    ) -> Iterator[Sample]:
        """The samples of some recordings that belong to the stage."""
        yield from taken_samples(samples, self.plan.options.stage, mine)

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
            for segment_id in set(pair[0].audio_ids):
                needed[segment_id] = needed.get(segment_id, 0) + 1
        for row in segments.rows(Table.SEGMENTS, _SEGMENT_COLUMNS, mine):
            clip = _clip(row)
            if clip.segment_id in needed:
                self._clips[clip.segment_id] = clip
            ready = waiting.pop(clip.segment_id, [])
            there = [pair for pair in ready if all(name in self._clips for name in pair[0].audio_ids)]
            there.sort(key=lambda pair: pair[0].audio_ids)
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
        clips = tuple(self._clips[segment_id] for segment_id in sample.audio_ids)
        for number in range(copies):
            key = sample.sample_id if number == 0 else f"{sample.sample_id}-{number + 1}"
            yield Item(key, sample, clips, prior, self.plan.options.reasoning)

    def _release(self, sample: Sample, needed: dict[str, int]) -> None:
        for segment_id in set(sample.audio_ids):
            needed[segment_id] -= 1
            if not needed[segment_id]:
                self._clips.pop(segment_id, None)


def _in_window(items: Iterable[Item], window: Window) -> Iterator[Item]:
    """The items of a split with as many clips as wanted, whose entries are in the window."""
    seen: dict[str, int] = {}
    last: tuple[str, ...] = ()
    for item in items:
        sample = item.sample
        if sample.split is not window.split or (len(sample.audio_ids) > 1) != window.pairs:
            continue
        name = sample.recording_id
        if sample.audio_ids != last:
            seen[name], last = seen.get(name, -1) + 1, sample.audio_ids
        begin, end = window.partial.get(name, (0, seen[name] + 1))
        if begin <= seen[name] < end:
            yield item


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
    name = checked_name(str(row["segment_id"]))
    return Clip(name, flac_in(row), int(str(row["end_ms"])) - int(str(row["start_ms"])))


def taken_samples(samples: Corpus, stage: Stage, wanted: Mapping[str, str]) -> Iterator[Sample]:
    """The samples of some recordings that belong to a stage, task by task."""
    for name in samples.commits:
        for row in samples.rows(name, None, wanted):
            sample = Sample.model_validate(row)
            if is_taken(stage, sample.kind, sample.task):
                yield sample


def stratum_of(sample: Sample) -> Stratum:
    return Stratum(sample.task, sample.language, str(sample.event_class))


Used = tuple[Sample, int]
"""A sample and the number of its uses."""


def is_about_window(sample: Sample) -> bool:
    """Whether its audio is a stretch of the recording with several segments, instead of the segments themselves."""
    return any(name not in sample.segment_ids for name in sample.audio_ids)


def with_window_audio(output: str, shard: int, used: Sequence[Used]) -> Iterator[tuple[Sample, int, Clip | None]]:
    """Samples with their uses and their audio, window by window; None if the window no longer exists.

    One window's audio, as FLAC, is in memory at a time.
    """
    if not used:
        return
    by_window: dict[str, list[Used]] = {}
    for pair in used:
        by_window.setdefault(pair[0].audio_ids[0], []).append(pair)
    corpus = Corpus.load(output, [SEGMENTS_STAGE, *LongTable], shard)
    wanted = dict.fromkeys({sample.recording_id for sample, _ in used}, "")
    recordings = {recording.recording_id: recording for recording in corpus.recordings(wanted)}
    rows = corpus.rows(LongTable.WINDOWS, None, wanted)
    windows = [window for row in rows if (window := RecordingWindow.model_validate(row)).window_id in by_window]
    for recording_id, members in groupby(sorted(windows, key=attrgetter("window_id")), key=attrgetter("recording_id")):
        if recording_id in recordings:
            chunks = window_audio(corpus, recordings[recording_id], list(members))
            for name, own in groupby(chunks, key=attrgetter("window_id")):
                clip = _window_clip(name, own)
                yield from ((sample, copies, clip) for sample, copies in by_window.pop(name))
    for pairs in by_window.values():
        yield from ((sample, copies, None) for sample, copies in pairs)


def _window_clip(name: str, chunks: Iterator[Chunk]) -> Clip:
    buffer, length = io.BytesIO(), 0
    with soundfile.SoundFile(buffer, "w", SAMPLE_RATE_HZ, 1, "PCM_16", format="FLAC") as file:
        for chunk in chunks:
            file.write(to_pcm16(chunk.samples))
            length += len(chunk.samples)
    return Clip(checked_name(name), buffer.getvalue(), length * 1000 // SAMPLE_RATE_HZ)
