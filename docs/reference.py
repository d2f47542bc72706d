"""References in Markdown, from the records, the tables, the unions of backends and the command line."""

from __future__ import annotations

import json
import types
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from enum import Enum
from importlib.resources import files as package_files
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import typer
from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from soundseam.annotators.base import Backend, Model
from soundseam.annotators.chat.endpoint import Endpoint
from soundseam.annotators.chat.questions import Sampling
from soundseam.pipeline.commands.cli import app
from soundseam.pipeline.commands.terminal import OUTPUT_OPTIONS
from soundseam.pipeline.config import RunConfig
from soundseam.pipeline.doctor import FAMILIES, members_of
from soundseam.pipeline.long.config import LongConfig
from soundseam.schemas.record import Record, field_docs
from soundseam.schemas.tables import RECORD_OF, arrow_schema

BOUNDS = {Ge: "≥", Gt: ">", Le: "≤", Lt: "<"}


def configuration() -> str:
    """Every key of a configuration but the backends': where it stands, its type, its default, what it means."""
    rows = _rows_of_record(RunConfig, "")
    return markdown_table(("key", "type", "default", "meaning"), rows)


def long_options() -> str:
    """Every option of `soundseam long`."""
    return markdown_table(("key", "type", "default", "meaning"), _rows_of_record(LongConfig, ""))


def backends() -> str:
    """Every kind of backend, family by family, with its own options."""
    parts = []
    for family, union in FAMILIES.items():
        parts.append("### `detectors`" if family == "detection" else f"### `branches.{family}`")
        parts.extend(_backend(member) for member in members_of(union))
    shared = [row for name, field in _SHARED.items() if name != "kind" for row in _rows_of_field(name, field)]
    note = "Detectors take only the first two.\n\n"
    parts += ["### Options of every backend", note + markdown_table(_OPTION_COLUMNS, shared)]
    for record, title in _ONCE.items():
        rows = _rows_of_record(record, "")
        parts += [f"### {title}", f"{paragraph(record.__doc__)}\n\n{markdown_table(_OPTION_COLUMNS, rows)}"]
    return "\n\n".join(parts)


def profile(name: str = "embedded") -> str:
    text = package_files("soundseam.pipeline").joinpath("profiles", f"{name}.yaml").read_text(encoding="utf-8")
    return f"```yaml\n{text.rstrip()}\n```"


def tables() -> str:
    """Every table with all its columns, nested ones as paths."""
    parts = []
    known: dict[type[BaseModel], str] = {}
    for table, record in RECORD_OF.items():
        if record in known:
            parts.append(f"### `{table}`\n\nThe columns of `{known[record]}`.")
            continue
        known[record] = table
        rows = list(columns_of(record))
        parts.append(
            f"### `{table}`\n\n{paragraph(record.__doc__)}\n\n{markdown_table(('column', 'type', 'meaning'), rows)}"
        )
    return "\n\n".join(parts)


def columns_of(record: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str, str]]:
    """(path, Arrow type, meaning) of each column, then of what is nested in it; `[]` stands for each of a list."""
    schema = arrow_schema(record)
    for name, field in documented_fields(record).items():
        column = field.alias or name
        nested, is_list = _nested_record(field.annotation)
        path = f"{prefix}{column}"
        kind = str(schema.field(column).type) if nested is None else ("list of struct" if is_list else "struct")
        meaning = field.description or (paragraph(nested.__doc__) if nested else "")
        yield f"`{path}`", kind.replace("<element: ", " of ").replace(">", ""), _meaning(meaning)
        if nested is not None:
            yield from columns_of(nested, f"{path}[]." if is_list else f"{path}.")


def command_line() -> str:
    """Every command with its options, as `--help` has them."""
    # typer carries its own copy of click, which has no public name.
    commands: Mapping[str, Any] = getattr(typer.main.get_command(app), "commands", {})
    return "\n\n".join(
        _command(f"{name} {sub}".strip(), part)
        for name, command in commands.items()
        for sub, part in {"": command, **getattr(command, "commands", {})}.items()
    )


def documented_fields(record: type[BaseModel]) -> dict[str, FieldInfo]:
    """The fields of a record, each with its docstring as its description."""
    fields = {name: copy(field) for name, field in record.model_fields.items()}
    for name, text in (field_docs(record) if issubclass(record, Record) else {}).items():
        fields[name].description = fields[name].description or text
    return fields


def option_table(fields: Mapping[str, FieldInfo]) -> str:
    """Options of a record, or of some of its fields, as a table."""
    return markdown_table(
        _OPTION_COLUMNS, [row for name, field in fields.items() for row in _rows_of_field(name, field)]
    )


def column_table(record: type[BaseModel]) -> str:
    """A record's columns as a table."""
    return markdown_table(("column", "type", "meaning"), list(columns_of(record)))


_ONCE: Mapping[type[BaseModel], str] = {Endpoint: "A server", Sampling: "Sampling"}
"""Records that many options hold: their fields are listed once, under this heading, and linked to."""
_SHARED = {**documented_fields(Model), **documented_fields(Backend)}
_OPTION_COLUMNS = ("option", "type", "default", "meaning")


def _backend(member: type[Model]) -> str:
    kind = member.model_fields["kind"].default
    facts = [f"Licence: {member.licence}."]
    if member.requires:
        facts.append(f"Needs {', '.join(f'`{module}`' for module in member.requires)}: `{member.remedy}`.")
    own = {name: field for name, field in documented_fields(member).items() if name not in _SHARED}
    rows = [row for name, field in own.items() for row in _rows_of_field(name, field)]
    options = f"\n\n{markdown_table(_OPTION_COLUMNS, rows)}" if rows else ""
    return f"#### `kind: {kind}`\n\n{paragraph(member.__doc__)} {' '.join(facts)}{options}"


def _rows_of_record(record: type[BaseModel], prefix: str) -> list[tuple[str, ...]]:
    return [row for name, field in documented_fields(record).items() for row in _rows_of_field(prefix + name, field)]


def _rows_of_field(path: str, field: FieldInfo) -> list[tuple[str, ...]]:
    """The field's row; instead of a record's, the rows of its fields under their paths."""
    nested, is_list = _nested_record(field.annotation)
    if nested in _ONCE and not is_list:
        return [_row_of_shared(path, nested, field)]
    if nested is not None and not is_list and not issubclass(nested, Model):
        # What the outer record presets is the default, whatever the inner one would say alone.
        preset = field.default if isinstance(field.default, BaseModel) else None
        return [
            (row[0], row[1], _shown(getattr(preset, name)) if preset else row[2], row[3]) if simple else row
            for name, inner in documented_fields(nested).items()
            for row in _rows_of_field(f"{path}.{name}", inner)
            for simple in [_nested_record(inner.annotation)[0] is None]
        ]
    default = "required" if field.default is PydanticUndefined else _shown(field.default)
    holds_models = _holds_models(field.annotation)
    meaning = field.description or ("what annotates the branch's segments, in this order" if holds_models else "")
    kind = "list of backends" if holds_models else _type_of(field)
    return [(f"`{path}`", kind, default, _meaning(paragraph(meaning)))]


def _row_of_shared(path: str, record: type[BaseModel], field: FieldInfo) -> tuple[str, ...]:
    """One row with a link to the record's fields, and what is preset otherwise than there."""
    title = _ONCE[record]
    preset = field.default.model_dump(mode="json", exclude_defaults=True) if isinstance(field.default, record) else {}
    link = f"[{title[:1].lower()}{title[1:]}](configuration.md#{title.lower().replace(' ', '-')})"
    return f"`{path}`", link, _shown(preset) if preset else "", _meaning(paragraph(field.description or record.__doc__))


def _holds_models(annotation: Any) -> bool:
    return get_origin(annotation) is tuple and any(
        isinstance(member, type) and issubclass(member, Model) for member in members_of(get_args(annotation)[0])
    )


def _nested_record(annotation: Any) -> tuple[type[BaseModel] | None, bool]:
    """The record inside an annotation, if there is just one, and whether there may be many of it."""
    if get_origin(annotation) in (Union, types.UnionType):
        inner = [member for member in get_args(annotation) if member is not type(None)]
        return _nested_record(inner[0]) if len(inner) == 1 else (None, False)
    if get_origin(annotation) is tuple:
        return _nested_record(get_args(annotation)[0])[0], True
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, False
    return None, False


def _type_of(field: FieldInfo) -> str:
    bounds = [
        f"{sign} {getattr(limit, kind.__name__.lower())}"
        for limit in field.metadata
        for kind, sign in BOUNDS.items()
        if isinstance(limit, kind)
    ]
    return ", ".join([_name_of(field.annotation), *bounds])


def _name_of(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _name_of(arguments[0])
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in arguments)
    if origin in (Union, types.UnionType):
        return " or ".join("null" if member is type(None) else _name_of(member) for member in arguments)
    if origin is tuple:
        return f"list of {_name_of(arguments[0])}"
    return _name_of_class(annotation)


def _name_of_class(annotation: Any) -> str:
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return " or ".join(f"`{member.value}`" for member in annotation)
    if isinstance(annotation, type) and issubclass(annotation, Model) and "kind" in annotation.model_fields:
        return f"`kind: {annotation.model_fields['kind'].default}`"
    names = {str: "string", int: "integer", float: "number", bool: "true or false"}
    return names[annotation] if annotation in names else str(annotation).replace("typing.", "")


def _shown(value: Any) -> str:
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    return f"`{json.dumps(value, default=str, ensure_ascii=False)}`"


def _command(name: str, command: Any) -> str:
    arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
    usage = " ".join(
        (argument.metavar or argument.name.upper()) + ("..." if argument.nargs == -1 else "") for argument in arguments
    )
    rows = [
        (f"`{argument.metavar or argument.name.upper()}`", "required", argument.help or "") for argument in arguments
    ]
    rows += [
        (", ".join(f"`{flag}`" for flag in option.opts), _option_default(option), option.help or "")
        for option in command.params
        if option.param_type_name == "option" and not option.hidden and option.name not in OUTPUT_OPTIONS
    ]
    help_text = "\n\n".join(paragraph(part) for part in (command.help or "").split("\n\n"))
    lines = (command.epilog or "").splitlines()
    examples = "\n".join(line.removeprefix("- ").strip("`") for line in lines if line.startswith("- "))
    title = f"### `soundseam {f'{name} {usage}'.strip()}`"
    parts = [title, help_text]
    parts += [markdown_table(("option", "default", "meaning"), rows)] if rows else []
    parts += [f"```bash help\n{examples}\n```"] if examples else []
    return "\n\n".join(parts)


def _option_default(option: Any) -> str:
    if isinstance(option.show_default, str):
        return str(option.show_default)
    if option.required:
        return "required"
    return "" if option.default is None else f"`{option.default}`"


def markdown_table(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [columns, tuple("---" for _ in columns), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def paragraph(text: str | None) -> str:
    return " ".join((text or "").split())


def _meaning(text: str) -> str:
    """`text` as a cell of a table: begun with a capital, unless with the name of a field, and without a lone stop."""
    word = text.partition(" ")[0]
    text = text.removesuffix(".") if text.count(". ") == 0 else text
    return text if "_" in word else text[:1].upper() + text[1:]
