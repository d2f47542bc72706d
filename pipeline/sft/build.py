"""From a recording's rows to one task's samples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from importlib.resources import files as package_files
from importlib.util import find_spec
from itertools import groupby

from pydantic import Field, ValidationError, model_validator

from soundseam.annotators.chat.endpoint import REMEDY, Endpoint, endpoints_in
from soundseam.annotators.grammar.engine import Pick
from soundseam.pipeline.config import (
    SetupError,
    did_you_mean,
    first_problem,
    read_text,
    tree_of,
    with_servers,
)
from soundseam.pipeline.sft.answerable import ANSWERER_PROMPTS
from soundseam.pipeline.sft.answers import TimestampFormat
from soundseam.pipeline.sft.ask import AnyTaskOptions, Phrasing, QuestionDraft, ServedTask, Task, Wording
from soundseam.pipeline.sft.material import RecordingMaterial, is_doubted
from soundseam.pipeline.sft.tasks import AnyTask
from soundseam.pipeline.sft.words import LANGUAGES, AnswerStyle, StyleName, UnsayableError, Words, prompts_key
from soundseam.schemas.record import Record, content_key, key_content
from soundseam.schemas.sample import Message, MessageKind, Role, Sample, Split

SFT_REVISION = "8"
"""Raise it whenever a task may give other questions or answers for equal rows and options."""


_DECIDED_LATER = frozenset({"tasks", "validation_share", "validation_recordings", "max_guessed", "max_refusals"})
"""Options that decide which samples stay and where, not what they are: keys include the decisions instead."""


class SftConfig(Record):
    """Options for tasks, languages and the held-out part."""

    tasks: tuple[AnyTask, ...] = Field(min_length=1, description="the tasks and their options")
    languages: dict[str, float] = Field(
        default={"en": 0.5, "zh": 0.5}, description="language of the instruction → its share of the questions"
    )
    seed: int = Field(default=0, description="another seed gives other wordings, choices and splits")
    validation_share: float = Field(
        default=0.02, ge=0.0, le=1.0, description="minimum share of held-out samples; whole recordings are held out"
    )
    validation_recordings: int = Field(
        default=20, ge=0, description="minimum number of held-out recordings, but for this no more than one in five"
    )
    max_guessed: float = Field(
        default=0.4,
        gt=0.0,
        le=1.0,
        description="maximum share of one answer among similar questions, or just over chance if a question names its "
        "answers; samples beyond it are left out; 1 for no limit",
    )
    max_refusals: float = Field(default=0.03, ge=0.0, lt=1.0, description="maximum share of refusals among all samples")
    timestamps: TimestampFormat = Field(default=TimestampFormat(), description="the format of timed answers")
    style: StyleName = Field(
        default="plain",
        description="moss: MOSS-Audio's own forms, which are [0.00]text[2.01] for transcripts with times, [S01] for "
        "speakers, and only the letter of a choice",
    )
    answerer: Endpoint | None = Field(
        default=None,
        description="a language model that is asked every closed question without the audio: its score is stored in "
        "text_only; null for none",
    )

    @model_validator(mode="after")
    def _is_complete(self) -> SftConfig:
        names = [task.task for task in self.tasks]
        if len(set(names)) != len(names):
            raise ValueError("tasks: a task is listed twice")
        if not self.languages or set(self.languages) - set(LANGUAGES):
            raise ValueError(f"languages: there are templates in {', '.join(LANGUAGES)}")
        if min(self.languages.values()) < 0 or sum(self.languages.values()) <= 0:
            raise ValueError("languages: shares must be positive numbers")
        return self

    def task_key(self, task: AnyTaskOptions) -> str:
        """Key of everything that a task's samples depend on, except for the rows."""
        shared = {name: value for name, value in key_content(self).items() if name not in _DECIDED_LATER}
        asked = prompts_key(*ANSWERER_PROMPTS) if self.answerer is not None else ""
        return content_key([SFT_REVISION, key_content(task), task.words_key, shared, asked])

    @property
    def answer_style(self) -> AnswerStyle:
        return AnswerStyle(self.timestamps, self.style)

    @property
    def phrasing(self) -> Phrasing:
        return Phrasing(self.languages, self.seed, self.timestamps)

    def check_available(self) -> None:
        """Raises SetupError, with the remedy, if a configured model cannot be used."""
        asked: dict[str, tuple[Endpoint, ...]] = {
            task.task: task.endpoints() for task in self.tasks if isinstance(task, ServedTask)
        }
        asked |= {"answerer": (self.answerer,)} if self.answerer is not None else {}
        for name, endpoint in ((name, endpoint) for name, endpoints in asked.items() for endpoint in endpoints):
            if not endpoint.model:
                raise SetupError(f"{name} has no model: set urls and model of its server, as in docs/tasks.md")
            if find_spec("aiohttp") is None:
                raise SetupError(f"{name} needs aiohttp: {REMEDY}")

    def only(self, names: tuple[str, ...]) -> SftConfig:
        """The same with some of the tasks. Raises SetupError for an unknown task."""
        unknown = sorted(set(names) - {task.task for task in self.tasks})
        if unknown:
            known = ", ".join(task.task for task in self.tasks)
            hint = did_you_mean(unknown[0], [task.task for task in self.tasks])
            raise SetupError(f"no task {', '.join(unknown)}{hint} (one of {known})")
        return self.model_copy(update={"tasks": tuple(task for task in self.tasks if task.task in names)})


def load_sft_config(path: str | None = None, overrides: Sequence[str] = ()) -> SftConfig:
    """The configuration in a YAML file, the package's own for None, with `key.path=value` overrides.

    Raises SetupError, one line with the remedy.
    """
    text = _default_text() if path is None else read_text(path)
    tree = with_servers(tree_of(text, path or "default", overrides))
    try:
        return SftConfig.model_validate(tree)
    except ValidationError as error:
        problem = first_problem(error, SftConfig)
        raise SetupError(f"configuration {path or 'default'}: {problem}; see docs/tasks.md") from error


def sft_server_settings(path: str | None = None, overrides: Sequence[str] = ()) -> dict[str, Endpoint]:
    """The places of a configuration that describe servers, as `--set` names them."""
    return endpoints_in(tree_of(_default_text() if path is None else read_text(path), path or "default", overrides))


def _default_text() -> str:
    return package_files("soundseam.pipeline.sft").joinpath("default.yaml").read_text(encoding="utf-8")


def samples_of(
    task: Task, recording: RecordingMaterial, config: SftConfig, split: Split, config_key: str
) -> Iterator[Sample]:
    """A recording's samples of one task, in order of segment and id.

    `split` is the same for all near-duplicate recordings.
    """
    return samples_from(task, task.asks(recording), config, split, config_key)


def samples_from(
    task: AnyTaskOptions, found: Iterable[QuestionDraft], config: SftConfig, split: Split, config_key: str
) -> Iterator[Sample]:
    """The same for given questions, all of one recording."""
    asks = sorted(found, key=lambda ask: ask.materials[0].segment_id)
    for _, members in groupby(asks, key=lambda ask: ask.materials[0].segment_id):
        made = (sample for ask in members if (sample := _sample(task, ask, config, split, config_key)) is not None)
        # By id, which is a hash, so that no kind of question is preferred.
        chosen = sorted(made, key=lambda sample: sample.sample_id)[: task.max_per_segment]
        yield from chosen


def _sample(
    task: AnyTaskOptions, ask: QuestionDraft, config: SftConfig, split: Split, config_key: str
) -> Sample | None:
    if any(is_doubted(ask.evidence, material.doubted) for material in ask.materials):
        return None
    segment_ids = tuple(material.segment_id for material in ask.materials)
    identity = content_key([task.task, ask.kind, ask.identity, list(segment_ids)])
    spoken = _say(task, ask, config, identity)
    if spoken is None:
        return None
    language, turn = spoken
    first = ask.materials[0]
    return Sample(
        sample_id=f"{first.segment_id}-{identity}",
        recording_id=first.segment.recording_id,
        segment_ids=segment_ids,
        task=task.task,
        kind=ask.kind,
        topic=ask.topic,
        language=language,
        messages=conversation(
            segment_ids if ask.window is None else (ask.window.window_id,), turn.question, turn.answer
        ),
        reasoning=turn.reasoning,
        answer_spec=turn.spec,
        text_only=ask.text_only,
        difficulty=ask.difficulty,
        evidence=tuple(dict.fromkeys(ask.evidence)),
        verdicts=ask.verdicts,
        event_class=first.leading_class,
        audio_ms=sum(material.duration_ms for material in ask.materials)
        if ask.window is None
        else ask.window.span.duration_ms,
        license=first.segment.license if ask.window is None else ask.window.license,
        split=split,
        config_key=config_key,
    )


def conversation(audio_ids: Sequence[str], question: str, answer: str) -> tuple[Message, ...]:
    """Audio first, so that later questions on the same clip hit a server's prefix cache."""
    audio = [Message(role=Role.USER, kind=MessageKind.AUDIO, content=name) for name in audio_ids]
    asked = Message(role=Role.USER, kind=MessageKind.TEXT, content=question)
    answered = Message(role=Role.ASSISTANT, kind=MessageKind.TEXT, content=answer)
    return (*audio, asked, answered)


def _say(task: AnyTaskOptions, ask: QuestionDraft, config: SftConfig, identity: str) -> tuple[str, Wording] | None:
    """The fact in the language drawn for it, or in another one if that has no words for it."""
    for language in config.phrasing.languages_for(identity, ask.languages):
        pick = Pick(str(config.seed), identity, language)
        try:
            turn = ask.turn(Words(task.task, ask.kind, language, pick, config.answer_style))
        except UnsayableError:
            continue
        return language, _capitalised(turn)
    return None


def _capitalised(turn: Wording) -> Wording:
    """Capitalises sentences that begin with a sound's name; answers that are taken over are unchanged."""
    if turn.answer == turn.spec.reference:
        return turn
    reasoning = None if turn.reasoning is None else _capital(turn.reasoning)
    return Wording(_capital(turn.question), _capital(turn.answer), turn.spec, reasoning, turn.rivals)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
