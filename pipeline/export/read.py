"""Samples joined to their audio, recording by recording."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.export.base import Clip, Item
from pipeline.export.mixing import Stratum, copies_of
from pipeline.export.plan import ExportPlan, Part, is_taken
from pipeline.sft.summary import Question, read_priors
from pipeline.storage.commits import Corpus
from pipeline.work import SEGMENTS_STAGE
from schemas.sample import Sample
from schemas.tables import SAMPLES_FOLDER, Table

_SEGMENT_COLUMNS = ("recording_id", "segment_id", "start_ms", "end_ms", "audio")


@dataclass
class PartReader:
    """Reads a part's samples in the order of its segments, each once its last clip has been read.

    Holds the texts of one commit's samples, and the audio of those segments that samples of several still wait for.
    `lost` counts samples whose audio is gone: the corpus was made again after they were.
    """

    plan: ExportPlan
    part: Part
    lost: int = 0
    _clips: dict[str, Clip] = field(default_factory=dict)

    def items(self) -> Iterator[Item]:
        segments = Corpus.load(self.plan.output, [SEGMENTS_STAGE], self.part.shard)
        stages = [f"{SAMPLES_FOLDER}/{task}" for task in self.plan.tasks]
        samples = Corpus.load(self.plan.output, stages, self.part.shard)
        priors = read_priors(self.plan.output)
        wanted = set(self.part.recording_ids)
        for commit in segments.commits[SEGMENTS_STAGE]:
            mine = dict.fromkeys(sorted(wanted & commit.recording_ids), "")
            if mine:
                waiting = self._samples(samples, mine)
                yield from self._joined(segments, mine, waiting, priors)
                wanted -= mine.keys()

    def _samples(self, samples: Corpus, mine: Mapping[str, str]) -> list[tuple[Sample, int]]:
        """Samples with how often they are taken, in order of id."""
        rates = {Stratum(rate.task, rate.language, rate.event_class): rate.rate for rate in self.plan.rates}
        options = self.plan.options
        found = []
        for stage in samples.commits:
            for row in samples.rows(stage, stage, mine):
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
            # Segments come in order of time, and ids sort by it.
            waiting.setdefault(max(pair[0].segment_ids), []).append(pair)
            for segment_id in set(pair[0].segment_ids):
                needed[segment_id] = needed.get(segment_id, 0) + 1
        for row in segments.rows(SEGMENTS_STAGE, Table.SEGMENTS, mine, _SEGMENT_COLUMNS):
            clip = _clip(row)
            if clip.segment_id in needed:
                self._clips[clip.segment_id] = clip
            for sample, copies in waiting.pop(clip.segment_id, ()):
                if all(segment_id in self._clips for segment_id in sample.segment_ids):
                    yield from self._copies(sample, copies, priors)
                else:
                    self.lost += 1
                self._release(sample, needed)
        self.lost += sum(len(pairs) for pairs in waiting.values())
        self._clips.clear()

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


def _clip(row: Mapping[str, object]) -> Clip:
    audio = row["audio"]
    if not isinstance(audio, Mapping) or not isinstance(data := audio.get("bytes"), bytes):
        raise TypeError("a segment's audio is a struct with the bytes of a FLAC file")
    return Clip(str(row["segment_id"]), data, int(str(row["end_ms"])) - int(str(row["start_ms"])))
