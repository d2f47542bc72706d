"""What every backend of every family keeps to. A new one is covered as soon as its union names it."""

from __future__ import annotations

import math
import pickle
import re
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter, ValidationError

from soundseam.annotators.base import AnnotationError, Annotator, AnyBackend, BackendUnavailableError, Clip, Model
from soundseam.annotators.chat.questions import TRANSCRIPTION, QuestionKind
from soundseam.annotators.chat.served import ServedBackend
from soundseam.pipeline.doctor import FAMILIES
from soundseam.pipeline.stages.annotate import annotate_clips, annotation_row
from soundseam.schemas.annotation import ANNOTATION_OF, Annotation, Facts
from soundseam.schemas.record import field_docs
from soundseam.schemas.recording import Rejected
from soundseam.schemas.tables import records_of, table_of
from tests.support.chat_models import contract_server
from tests.support.chat_server import Asked
from tests.support.members import BRANCH_MEMBERS, MEMBERS, a_member, load_or_skip, tiny_maker
from tests.support.sounds import SOUNDS, a_clip

INSTANT = re.compile(r"(^|[._])(start|end|onset|offset|beats|downbeats)_ms$")
"""Names of fields that hold points in time, alone or in a list."""

every_member = pytest.mark.parametrize("name", MEMBERS)
every_branch_member = pytest.mark.parametrize("name", BRANCH_MEMBERS)


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture
def backend(name: str, models: Path) -> Any:
    return a_member(name, models)


@every_member
def test_a_backend_survives_json_yaml_and_pickle(name: str, backend: Model) -> None:
    union: TypeAdapter[Model] = TypeAdapter(FAMILIES[MEMBERS[name][0]])
    assert union.validate_json(backend.model_dump_json()) == backend
    assert union.validate_python(yaml.safe_load(yaml.safe_dump(backend.model_dump(mode="json")))) == backend
    assert pickle.loads(pickle.dumps(backend)) == backend


@every_member
def test_a_backend_is_a_frozen_hashable_value(name: str, backend: Model) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        backend.name = "other"  # type: ignore[misc]
    assert len({backend, backend.model_copy()}) == 1


@every_member
def test_a_backend_says_what_it_is(name: str, backend: Model) -> None:
    assert type(backend).__doc__, "a docstring says in a line what it answers"
    assert backend.backend == backend.kind == name.split("/")[1]
    assert backend.licence
    assert backend.model
    assert backend.revision


@every_member
def test_every_option_is_explained_for_the_configuration_reference(name: str) -> None:
    member = MEMBERS[name][1]
    described = {name for name, field in member.model_fields.items() if field.description} | set(field_docs(member))
    assert set(member.model_fields) - set(Model.model_fields) - {"batch_size"} <= described


@every_member
def test_the_option_for_weights_has_one_name_everywhere(name: str) -> None:
    assert not {"path", "checkpoint", "model_path", "hub_revision"} & set(MEMBERS[name][1].model_fields)


@every_member
def test_a_key_is_stable_and_knows_nothing_of_how_a_backend_is_run(name: str, backend: Model) -> None:
    run_otherwise: dict[str, object] = {"optional": not backend.optional}
    if "batch_size" in type(backend).model_fields:
        run_otherwise["batch_size"] = 3
    if isinstance(backend, ServedBackend):
        elsewhere = {"urls": ("http://elsewhere/v1",), "in_flight": 3, "dialect": "plain", "attempts": 9}
        run_otherwise["server"] = backend.server.model_copy(update=elsewhere)
    assert backend.model_copy(update=run_otherwise).config_key == backend.config_key
    assert backend.model_copy(update={"name": "other"}).config_key != backend.config_key
    assert pickle.loads(pickle.dumps(backend)).config_key == backend.config_key


@every_member
def test_a_backend_loads_or_says_in_one_line_why_not(name: str, backend: Any) -> None:
    assert re.fullmatch(r"|[^\n]+: [^\n]+", why_not(backend)), "what is missing, then the remedy"


def why_not(backend: Any) -> str:
    """Why `backend` does not load here; empty if it does."""
    try:
        backend.load()
    except BackendUnavailableError as error:
        return str(error)
    return ""


@every_member
def test_a_missing_library_is_named_with_its_remedy(name: str, backend: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in backend.requires:
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, module, None)
            with pytest.raises(BackendUnavailableError) as refusal:
                backend.check_available()
            assert module in str(refusal.value)
            assert backend.remedy in str(refusal.value)
            assert backend.remedy
            with pytest.raises(BackendUnavailableError):
                backend.load()


@dataclass(frozen=True)
class Hearing:
    """A backend that loaded, the clips it heard, and what it answered to each alone."""

    backend: AnyBackend
    annotator: Annotator[Facts]
    clips: list[Clip]
    answers: list[Facts | AnnotationError]

    @property
    def facts(self) -> list[tuple[Clip, Facts]]:
        pairs = zip(self.clips, self.answers, strict=True)
        return [(clip, answer) for clip, answer in pairs if not isinstance(answer, AnnotationError)]


_HEARD: dict[str, Hearing] = {}
"""Each backend hears the sounds once, for its own tests and for those that read its rows."""


@pytest.fixture
def hearing(name: str, models: Path) -> Hearing:
    """Skips, with the backend's own words, where it cannot load here."""
    try:
        return hear(name, models)
    except BackendUnavailableError as error:
        pytest.skip(str(error))


def hear(name: str, models: Path) -> Hearing:
    if name not in _HEARD:
        backend = a_member(name, models)
        annotator = backend.load()
        rows = rows_before(name, models) if backend.reads_annotations else {}
        clips = [a_clip(sound, backend) for sound in SOUNDS]
        clips = [replace(clip, annotations=tuple(rows.get(clip.segment.segment_id, ()))) for clip in clips]
        _HEARD[name] = Hearing(backend, annotator, clips, [alone(annotator, clip) for clip in clips])
    return _HEARD[name]


def rows_before(name: str, models: Path) -> dict[str, list[Annotation]]:
    """segment → the rows of the backends that stand before `name` in its union, of those that load here."""
    rows: dict[str, list[Annotation]] = {}
    family = [other for other in BRANCH_MEMBERS if MEMBERS[other][0] == MEMBERS[name][0]]
    for other in family[: family.index(name)]:
        try:
            before = hear(other, models)
        except BackendUnavailableError:
            continue
        for clip, facts in before.facts:
            row = annotation_row(before.backend, "k", clip.segment, facts)
            assert not isinstance(row, Rejected)
            rows.setdefault(clip.segment.segment_id, []).append(row)
    return rows


def alone(annotator: Annotator[Facts], clip: Clip) -> Facts | AnnotationError:
    (answer,) = annotate_clips(annotator, [clip])
    return answer


def same(answer: Facts | AnnotationError, other: Facts | AnnotationError) -> bool:
    if isinstance(answer, AnnotationError) and isinstance(other, AnnotationError):
        return answer.reason == other.reason
    return answer == other


@pytest.mark.parametrize("name", [name for name in BRANCH_MEMBERS if issubclass(MEMBERS[name][1], ServedBackend)])
def test_a_served_backend_asks_the_kinds_of_questions_that_a_server_is_tried_with(name: str, hearing: Hearing) -> None:
    asked = contract_server().model.asked  # type: ignore[attr-defined]
    before = len(asked)
    for clip in hearing.clips:
        alone(hearing.annotator, clip)
    assert isinstance(hearing.backend, ServedBackend)
    assert {kind_of(one) for one in asked[before:]} == set(hearing.backend.asks)


def kind_of(asked: Asked) -> QuestionKind:
    if asked.transcribe:
        return TRANSCRIPTION
    return QuestionKind(bool(asked.audio), "schema" if asked.json_schema else "choices" if asked.choices else "text")


@every_branch_member
def test_every_sound_has_an_answer_of_the_branch_or_a_reason(name: str, hearing: Hearing) -> None:
    record = ANNOTATION_OF[hearing.backend.branch]
    for clip, answer in zip(hearing.clips, hearing.answers, strict=True):
        row = annotation_row(hearing.backend, "k", clip.segment, answer)
        if isinstance(row, Rejected):
            assert re.fullmatch(r"[a-z_0-9]+", row.reason)
            assert row.detail
        else:
            assert isinstance(row, record)
            assert records_of(table_of([row], record), record) == [row]


@every_branch_member
def test_an_answer_does_not_depend_on_the_other_clips_of_its_batch(name: str, hearing: Hearing) -> None:
    together = annotate_clips(hearing.annotator, hearing.clips)
    backwards = annotate_clips(hearing.annotator, hearing.clips[::-1])[::-1]
    for sound, answer, in_batch, in_other_batch in zip(SOUNDS, hearing.answers, together, backwards, strict=True):
        assert same(in_batch, answer), sound
        assert same(in_other_batch, answer), sound


@every_branch_member
def test_an_annotator_loaded_again_answers_the_same(name: str, hearing: Hearing) -> None:
    again = load_or_skip(hearing.backend)
    for clip, answer in zip(hearing.clips, hearing.answers, strict=True):
        assert same(alone(again, clip), answer)


@every_branch_member
def test_threads_of_a_worker_may_share_one_annotator(name: str, hearing: Hearing) -> None:
    """Each thread hears the sounds in an order of its own, one after the other."""
    orders = [hearing.clips[turn:] + hearing.clips[:turn] for turn in range(3)]
    with ThreadPoolExecutor(len(orders)) as pool:
        heard = list(pool.map(lambda clips: [alone(hearing.annotator, clip) for clip in clips], orders))
    for turn, answers in enumerate(heard):
        in_order = answers[len(answers) - turn :] + answers[: len(answers) - turn]
        for sound, answer, expected in zip(SOUNDS, in_order, hearing.answers, strict=True):
            assert same(answer, expected), sound


@every_branch_member
def test_no_clips_give_no_answers(name: str, hearing: Hearing) -> None:
    assert list(hearing.annotator.annotate([])) == []


@every_branch_member
def test_every_number_in_an_answer_is_finite(name: str, hearing: Hearing) -> None:
    for _, facts in hearing.facts:
        numbers = [(path, value) for path, value in leaves(facts.model_dump()) if isinstance(value, float)]
        assert not [path for path, value in numbers if not math.isfinite(value)]


@every_branch_member
def test_every_time_in_an_answer_lies_in_its_segment(name: str, hearing: Hearing) -> None:
    for clip, facts in hearing.facts:
        times = [
            (path, value) for path, value in leaves(facts.model_dump()) if INSTANT.search(path.rstrip(".0123456789"))
        ]
        assert not [path for path, value in times if not clip.segment.start_ms <= value <= clip.segment.end_ms]


@every_branch_member
def test_a_caption_is_made_of_claims_that_show_their_evidence(name: str, hearing: Hearing) -> None:
    for _, facts in hearing.facts:
        if facts.caption is not None:
            assert facts.caption == " ".join(claim.text for claim in facts.caption_claims)
            assert all(claim.evidence for claim in facts.caption_claims)


def test_tiny_models_are_made_only_for_backends_that_exist() -> None:
    folders = [Path(__file__).parent / family for family in FAMILIES]
    made = {
        f"{folder.name}/{function}"
        for folder in folders
        if (file := folder / "tiny.py").exists()
        for function in re.findall(r"^def ([a-z]\w*)\(folder", file.read_text(), re.MULTILINE)
    }
    assert made <= set(MEMBERS)
    assert all(tiny_maker(name) for name in made)


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted path, value) of everything in nested dicts and sequences that is not None."""
    if isinstance(value, dict):
        for key, child in value.items():
            yield from leaves(child, f"{path}.{key}" if path else key)
    elif isinstance(value, list | tuple):
        for index, child in enumerate(value):
            yield from leaves(child, f"{path}.{index}")
    elif value is not None:
        yield path, value
