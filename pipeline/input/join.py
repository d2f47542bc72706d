"""Joins the entries of one file to one source with separate lines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from soundseam.pipeline.input.manifest import END_OF_RECORDING_MS, Entry
from soundseam.pipeline.input.manifest_rows import Value
from soundseam.schemas.recording import SourceLine
from soundseam.schemas.timespan import TimeSpan

MAX_SHOWN = 5
_OF_THE_FILE = ("license", "language")
"""Values that apply to the whole file if some of its lines state them and none contradicts."""
_METADATA = "metadata."

Statements = Mapping[str, Value]


@dataclass(frozen=True)
class Joined:
    """The result of joining all entries of one file."""

    common: SourceLine
    """The values for the whole file; its span has no meaning."""
    lines: tuple[SourceLine, ...]
    """Ordered and disjoint; empty if the whole file is used and `common` has all values."""
    conflicts: tuple[str, ...]

    @property
    def intervals(self) -> tuple[TimeSpan, ...]:
        return tuple(line.span for line in self.lines)

    @property
    def differing_lines(self) -> tuple[SourceLine, ...]:
        """`lines`, if their values differ from those of the whole file."""
        said = self.common.said
        return self.lines if any(line.said != said or line.is_rest for line in self.lines) else ()

    @property
    def problem(self) -> str | None:
        """The conflicts as one text for a person; None if there are none."""
        if not self.conflicts:
            return None
        shown, more = "; ".join(self.conflicts[:MAX_SHOWN]), len(self.conflicts) - MAX_SHOWN
        return f"{shown}{f'; and {more} more' if more > 0 else ''}"


def join_entries(entries: Sequence[Entry]) -> Joined:
    """The entries of one file, whatever its names, as one source.

    Each entry with an interval keeps its values. Entries with the same interval are merged, and so are those for the
    whole file: the first value wins. Overlapping lines are merged if their values are equal, else the earlier one keeps
    the shared time. If another entry covers the whole file, the time between the lines is used too, with that entry's
    values.
    """
    conflicts = list(_conflicts_of_file(entries))
    by_span: dict[TimeSpan | None, list[Entry]] = {None: []}
    for entry in entries:
        by_span.setdefault(entry.interval, []).append(entry)
    said = {span: _first_said(group, conflicts) for span, group in by_span.items()}
    of_file = {**_agreed(list(said.values())), **said[None]}
    is_whole = bool(by_span[None])
    drafts = [
        _Draft(span, {**of_file, **own}, by_span[span][0].origin) for span, own in said.items() if span is not None
    ]
    drafts = _apart(sorted(draft for draft in drafts if not is_whole or draft.said != of_file), conflicts)
    lines = [_line(draft.span, draft.said) for draft in drafts]
    common = of_file if is_whole else _in_common([draft.said for draft in drafts])
    return Joined(
        common=_line(TimeSpan(0, END_OF_RECORDING_MS), common),
        lines=tuple(_with_rest(lines, of_file) if is_whole and lines else lines),
        conflicts=tuple(conflicts),
    )


@dataclass(frozen=True, order=True)
class _Draft:
    span: TimeSpan
    said: Statements = field(compare=False)
    origin: str


def _statements(entry: Entry) -> Statements:
    named: dict[str, Value] = {"id": entry.manifest_id, "license": entry.license, "language": entry.language}
    free = {f"{_METADATA}{name}": value for name, value in entry.metadata.items()}
    return {name: value for name, value in (named | free).items() if value is not None}


def _first_said(entries: Iterable[Entry], conflicts: list[str]) -> Statements:
    said: dict[str, tuple[Value, Entry]] = {}
    for entry in entries:
        for name, value in _statements(entry).items():
            first_value, first = said.setdefault(name, (value, entry))
            if first_value != value:
                conflicts.append(f"{name} of {entry.origin} differs from {first.origin}: the first was taken")
    return {name: value for name, (value, _) in said.items()}


def _conflicts_of_file(entries: Sequence[Entry]) -> Iterator[str]:
    """Contradictions between entries with different intervals about the whole file: each keeps its own value."""
    for name in _OF_THE_FILE:
        speaking = [entry for entry in entries if _statements(entry).get(name) is not None]
        for entry in speaking[1:]:
            first = speaking[0]
            # The language may change from line to line, but not with the file's name.
            differs = _statements(entry)[name] != _statements(first)[name]
            if differs and entry.interval != first.interval and (name == "license" or entry.uri != first.uri):
                yield f"{name} of {entry.origin} differs from {first.origin}: each keeps its own"


def _agreed(said: Sequence[Statements]) -> Statements:
    """The values of `license` and `language`, if all entries that state one agree."""
    found = {name: [one[name] for one in said if name in one] for name in _OF_THE_FILE}
    return {name: values[0] for name, values in found.items() if values and values.count(values[0]) == len(values)}


def _in_common(said: Sequence[Statements]) -> Statements:
    return {
        name: value
        for name, value in (said[0].items() if said else ())
        if all(other.get(name) == value for other in said)
    }


def _apart(drafts: Iterable[_Draft], conflicts: list[str]) -> list[_Draft]:
    """`drafts`, in order of time, without overlaps."""
    apart: list[_Draft] = []
    for draft in drafts:
        last = apart[-1] if apart else None
        if last is None or draft.span.start_ms >= last.span.end_ms:
            apart.append(draft)
        elif draft.said == last.said:
            apart[-1] = replace(last, span=TimeSpan(last.span.start_ms, max(last.span.end_ms, draft.span.end_ms)))
        else:
            shared_ms = last.span.overlap_ms(draft.span)
            conflicts.append(f"{draft.origin} shares {shared_ms} ms with {last.origin}, which keeps them")
            if draft.span.end_ms > last.span.end_ms:
                apart.append(replace(draft, span=TimeSpan(last.span.end_ms, draft.span.end_ms)))
    return apart


def _with_rest(lines: Sequence[SourceLine], of_file: Statements) -> Iterator[SourceLine]:
    """`lines`, and the time before, between and after them."""
    at_ms = 0
    for line in lines:
        if line.span.start_ms > at_ms:
            yield _line(TimeSpan(at_ms, line.span.start_ms), of_file, is_rest=True)
        yield line
        at_ms = line.span.end_ms
    if at_ms < END_OF_RECORDING_MS:
        yield _line(TimeSpan(at_ms, END_OF_RECORDING_MS), of_file, is_rest=True)


def _line(span: TimeSpan, said: Statements, is_rest: bool = False) -> SourceLine:
    metadata = {name.removeprefix(_METADATA): said[name] for name in sorted(said) if name.startswith(_METADATA)}
    return SourceLine(
        span=span,
        is_rest=is_rest,
        manifest_id=_text(said.get("id")),
        license=_text(said.get("license")),
        language=_text(said.get("language")),
        metadata=json.dumps(metadata, sort_keys=True, ensure_ascii=False) if metadata else None,
    )


def _text(value: Value) -> str | None:
    return value if isinstance(value, str) else None
