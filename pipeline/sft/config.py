"""What `soundseam sft` builds, as one record from YAML."""

from __future__ import annotations

from importlib.resources import files as package_files
from importlib.util import find_spec
from pathlib import Path

import yaml
from pydantic import Field, ValidationError, model_validator

from annotators.chat.endpoint import REMEDY, Endpoint
from pipeline.errors import SetupError
from pipeline.sft.ask import AnyTaskOptions, ServedTask
from pipeline.sft.phrasing import Phrasing
from pipeline.sft.prompts import ANSWERER_PROMPTS, prompts_key
from pipeline.sft.tasks import AnyTask
from pipeline.sft.timestamps import TimestampFormat
from pipeline.sft.words import LANGUAGES
from schemas.record import Record, content_key, key_content

SFT_REVISION = "5"
"""Raised whenever a task may ask or answer otherwise for equal rows and options."""


class SftConfig(Record):
    """Which tasks, in which languages, and what is held out."""

    tasks: tuple[AnyTask, ...] = Field(min_length=1, description="the tasks and their options")
    languages: dict[str, float] = Field(
        default={"en": 0.5, "zh": 0.5}, description="language of the instruction → its share of the questions"
    )
    seed: int = Field(default=0, description="another seed gives other wordings, another choice and another split")
    validation_share: float = Field(default=0.02, ge=0.0, le=1.0, description="of the recordings, held out whole")
    timestamps: TimestampFormat = Field(default=TimestampFormat(), description="how timed answers are written")
    answerer: Endpoint | None = Field(
        default=None,
        description="a language model that is asked every closed question without the audio: how right it is stands in "
        "text_only; null for none",
    )

    @model_validator(mode="after")
    def _is_complete(self) -> SftConfig:
        names = [task.task for task in self.tasks]
        if len(set(names)) != len(names):
            raise ValueError("tasks: a task stands twice")
        if not self.languages or set(self.languages) - set(LANGUAGES):
            raise ValueError(f"languages: templates are written in {', '.join(LANGUAGES)}")
        if min(self.languages.values()) < 0 or sum(self.languages.values()) <= 0:
            raise ValueError("languages: shares are positive numbers")
        return self

    def task_key(self, task: AnyTaskOptions) -> str:
        """Key of all that a task's samples depend on but for the rows themselves."""
        shared = {name: value for name, value in key_content(self).items() if name != "tasks"}
        asked = prompts_key(ANSWERER_PROMPTS) if self.answerer is not None else ""
        return content_key([SFT_REVISION, key_content(task), task.words_key, shared, asked])

    @property
    def phrasing(self) -> Phrasing:
        return Phrasing(self.languages, self.seed, self.timestamps)

    def check_available(self) -> None:
        """Raises SetupError, with the remedy, where a model that is to be asked cannot be."""
        asked: dict[str, tuple[Endpoint, ...]] = {
            task.task: task.endpoints() for task in self.tasks if isinstance(task, ServedTask)
        }
        asked |= {"answerer": (self.answerer,)} if self.answerer is not None else {}
        for name, endpoint in ((name, endpoint) for name, endpoints in asked.items() for endpoint in endpoints):
            if not endpoint.model:
                raise SetupError(f"{name} names no model: write urls and model of its server, as docs/tasks.md shows")
            if find_spec("aiohttp") is None:
                raise SetupError(f"{name} needs aiohttp: {REMEDY}")

    def only(self, names: tuple[str, ...]) -> SftConfig:
        """The same with some of the tasks. Raises SetupError for a name that is none."""
        unknown = sorted(set(names) - {task.task for task in self.tasks})
        if unknown:
            known = ", ".join(task.task for task in self.tasks)
            raise SetupError(f"no task {', '.join(unknown)}: choose among {known}")
        return self.model_copy(update={"tasks": tuple(task for task in self.tasks if task.task in names)})


def load_sft_config(path: str | None = None) -> SftConfig:
    """The configuration in a YAML file, the package's own for None. Raises SetupError, one line with the remedy."""
    try:
        text = _default_text() if path is None else Path(path).read_text(encoding="utf-8")
        return SftConfig.model_validate(yaml.safe_load(text))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SetupError(f"configuration {path or 'default'}: {where}: {first['msg']}") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SetupError(f"cannot read the configuration {path}: {' '.join(str(error).split())}") from error


def _default_text() -> str:
    return package_files("pipeline.sft").joinpath("default.yaml").read_text(encoding="utf-8")
