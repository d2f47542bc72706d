"""The grammar of captions: rules that each derive one sentence, with its evidence, from typed values.

A rule reads fields of rows and returns a sentence about them, or nothing. It only sees the fields that it declares, and
these become the sentence's evidence, so that a sentence can be derived again from its evidence alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from soundseam.schemas.annotation import Annotation
from soundseam.schemas.claim import Claim, Evidence
from soundseam.schemas.segment import Segment
from soundseam.schemas.tables import Table, annotation_table

GRAMMAR = "grammar"
"""The name of this composer in claims and captions."""
GRAMMAR_REVISION = "9"
"""Raise it whenever a rule may give another sentence, or the same in other words."""

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]

_TABLES: Mapping[str, Table] = {
    "segments": Table.SEGMENTS,
    "speech": Table.SPEECH,
    "music": Table.MUSIC,
    "general": Table.GENERAL,
}
WITHOUT = "~"
"""Separates the name of a rule from the fields that were left out."""
CHINESE = "@zh"
"""Ends the name of a rule that says the same in Chinese."""
_HAN_ENDS = ("。", "！", "？")
_HAN_OPENING = 3
"""Chinese sentences with this many equal characters at their beginning begin alike."""
_TRIES = 6
"""Number of other wordings to try if a sentence would begin like an earlier one."""


class Values:
    """The values of a rule, by the names in its `reads`. Any other name raises KeyError: a mistake in the rule."""

    def __init__(self, values: Mapping[str, Json]) -> None:
        self._values = values

    def number(self, name: str) -> float | None:
        return _number(self._values[name], name)

    def flag(self, name: str) -> bool | None:
        value = self._values[name]
        if value is None or isinstance(value, bool):
            return value
        raise TypeError(f"{name} is {value!r}, not a boolean")

    def text(self, name: str) -> str | None:
        return _text(self._values[name], name)

    def numbers(self, name: str) -> list[float | None]:
        return [_number(value, name) for value in self._list(name)]

    def texts(self, name: str) -> list[str]:
        return [_text(value, name) or "" for value in self._list(name)]

    def also(self, others: Mapping[str, Json]) -> Values:
        """These values together with others."""
        return Values({**self._values, **others})

    def _list(self, name: str) -> list[Json]:
        value = self._values[name]
        if value is None:
            return []
        if isinstance(value, list):
            return value
        raise TypeError(f"{name} is {value!r}, not a list")


class Pick:
    """Chooses among wordings by hash, so that equal seeds give equal choices on every machine."""

    def __init__(self, *seed: str) -> None:
        self._seed = "/".join(seed)
        self._asked = 0

    def __call__(self, *options: str) -> str:
        self._asked += 1
        digest = hashlib.sha256(f"{self._seed}/{self._asked}".encode()).digest()
        return options[int.from_bytes(digest[:8]) % len(options)]


Say = Callable[[Values, Pick], str | None]
"""Pure; None if there is nothing worth saying. The sentence begins in lower case and has no full stop yet."""
Language = Literal["en", "zh"]


@dataclass(frozen=True)
class Rule:
    """Derives one sentence.

    `reads` names fields as TABLE:PATH, where TABLE is segments, speech, music or general, a number in PATH is a
    position in a list, and * stands for all positions: `general:events.*.level_dbfs` is a list.
    """

    name: str
    reads: tuple[str, ...]
    say: Say
    topics: frozenset[str] = frozenset()
    """The topics of the sentence; a caption mentions each topic only once."""
    may_lack: frozenset[str] = frozenset()
    """Of what it reads, each TABLE:FIELD that a profile may have nobody to measure: it then says the rest."""
    language: Language = "en"


def in_chinese(rule: Rule, say: Callable[[Values, Pick], str]) -> Rule:
    """The rule that says in Chinese, by `say`, what `rule` says: of equal values both say something, or neither."""

    def say_too(values: Values, pick: Pick) -> str | None:
        return None if rule.say(values, Pick()) is None else say(values, pick)

    return Rule(f"{rule.name}{CHINESE}", rule.reads, say_too, rule.topics, rule.may_lack, "zh")


@dataclass(frozen=True)
class Rows:
    """The rows of one segment that evidence may refer to."""

    segment: Segment
    annotations: Sequence[Annotation]
    chosen: Mapping[str, str | None] = field(default_factory=dict)
    """TABLE:FIELD → the backend that counts if several measured it, decided by the merge; None if none counts."""
    _dumped: dict[tuple[Table, str | None, str], Json] = field(default_factory=dict, repr=False, compare=False)
    _evidence: dict[str, Evidence] = field(default_factory=dict, repr=False, compare=False)

    def evidence(self, name: str) -> Evidence:
        """The value at TABLE:PATH, in the row of the first backend that measured it. Raises LookupError if there is
        none.
        """
        if name not in self._evidence:
            table, path = read_place(name)
            backend = self.backend_with(table, path)
            self._evidence[name] = self._cited(table, backend, path)
        return self._evidence[name]

    def cite(self, row: Annotation | None, *paths: str) -> tuple[Evidence, ...]:
        """The evidence at `paths` of a row; None means the segment's own row. Raises LookupError if there is none."""
        table = Table.SEGMENTS if row is None else annotation_table(row.branch)
        backend = None if row is None else row.backend
        return tuple(self._cited(table, backend, path) for path in paths)

    def _cited(self, table: Table, backend: str | None, path: str) -> Evidence:
        value = as_json(self.value(table, backend, path))
        return Evidence(table=table, segment_id=self.segment.segment_id, backend=backend, field=path, value=value)

    def backend_with(self, table: Table, path: str) -> str | None:
        """The backend of `table` that counts for the first field of `path`: the chosen one, else the first that
        measured it. Raises LookupError if there is none."""
        if table is Table.SEGMENTS:
            return None
        top = _top(path)
        if chosen := self.chosen.get(place_of(table, top)):
            return chosen
        for row in self.annotations:
            if annotation_table(row.branch) is table and getattr(row, top, None) is not None:
                return row.backend
        raise LookupError(f"no row of {table} has {top}")

    def has(self, place: str) -> bool:
        """Whether anybody measured `place`, a TABLE:FIELD."""
        try:
            self.backend_with(*read_place(place))
        except LookupError:
            return False
        return True

    def value(self, table: Table, backend: str | None, path: str) -> Json:
        """The value at `path` of one row. Raises LookupError if the row or the path does not exist."""
        top, _, rest = path.partition(".")
        key = (table, backend, top)
        if key not in self._dumped:
            self._dumped[key] = self._dump(table, backend, top)
        return _at(self._dumped[key], rest)

    def _dump(self, table: Table, backend: str | None, top: str) -> Json:
        row: Segment | Annotation
        if table is Table.SEGMENTS and backend is None:
            row = self.segment
        else:
            found = [one for one in self.annotations if (annotation_table(one.branch), one.backend) == (table, backend)]
            if len(found) != 1:
                raise LookupError(f"{len(found)} rows of {table} by {backend}")
            row = found[0]
        dumped: dict[str, Json] = row.model_dump(mode="json", include={top})
        return dumped[top]


def derive_claim(rule: Rule, rows: Rows, variant: int = 0) -> Claim | None:
    """The claim that `rule` derives from `rows`; None for none. Each `variant` may choose other words."""
    rule = without(rule, [place for place in rule.may_lack if not rows.has(place)])
    try:
        evidence = tuple(map(rows.evidence, rule.reads))
    except LookupError:
        return None
    text = derive_text(rule, rows.segment.segment_id, [one.value for one in evidence], variant)
    return None if text is None else Claim(text=text, rule=variant_name(rule, variant), evidence=evidence)


def derive_text(rule: Rule, segment_id: str, values: Sequence[str], variant: int = 0) -> str | None:
    """The sentence that `rule` derives from `values`: JSON, one per entry of `reads`, in order."""
    read = Values({name: json.loads(value) for name, value in zip(rule.reads, values, strict=True)})
    text = rule.say(read, Pick(segment_id, variant_name(rule, variant)))
    if text is None:
        return None
    return f"{text}。" if rule.language == "zh" else f"{text[0].upper()}{text[1:]}."


def variant_name(rule: Rule, variant: int) -> str:
    """The rule's name in a claim: with the number of the wording if it is not the first."""
    return rule.name if variant == 0 else f"{rule.name}#{variant}"


def split_variant(name: str) -> tuple[str, int]:
    """The inverse of `variant_name`. Raises ValueError for an invalid name."""
    rule, _, variant = name.partition("#")
    return rule, int(variant or 0)


def without(rule: Rule, places: Collection[str]) -> Rule:
    """`rule` as if `places` (each TABLE:FIELD) had not been measured. Returns `rule` itself if it reads none of
    them.
    """
    left_out = sorted({place for name in rule.reads if (place := _place(name)) in places}) if places else []
    if not left_out:
        return rule
    reads = tuple(name for name in rule.reads if _place(name) not in left_out)
    unknown = dict.fromkeys(name for name in rule.reads if name not in reads)

    def say(values: Values, pick: Pick) -> str | None:
        return rule.say(values.also(unknown), pick)

    base, _, before = rule.name.partition(WITHOUT)
    names = sorted({*left_out, *filter(None, before.split("+"))})
    return Rule(f"{base}{WITHOUT}{'+'.join(names)}", reads, say, rule.topics, rule.may_lack, rule.language)


def place_of(table: Table, top: str) -> str:
    """The name of a table's field in `reads` and in `chosen`: music:rhythm."""
    return f"{table.rpartition('/')[2]}:{top}"


def _place(name: str) -> str:
    table, _, path = name.partition(":")
    return f"{table}:{_top(path)}"


def read_place(name: str) -> tuple[Table, str]:
    """The table and the field path in TABLE:PATH."""
    table, _, path = name.partition(":")
    return _TABLES[table], path


def compose(rules: Iterable[Rule], rows: Rows, limit: int) -> tuple[Claim, ...]:
    """Up to `limit` sentences by `rules`, in their order: no topic occurs twice, and if the wordings allow it no two
    begin alike."""
    mentioned: set[str] = set()
    claims: list[Claim] = []
    withheld = [place for place, backend in rows.chosen.items() if backend is None]
    for rule in rules:
        if len(claims) == limit:
            break
        if rule.topics & mentioned:
            continue
        claim = _fresh_claim(without(rule, withheld), rows, claims)
        if claim is not None:
            claims.append(claim)
            mentioned |= rule.topics
    return tuple(claims)


def caption_text(claims: Sequence[Claim]) -> str:
    """The caption that consists of `claims`."""
    return join_sentences([claim.text for claim in claims])


def join_sentences(sentences: Iterable[str]) -> str:
    """Sentences one after another; Chinese ones are joined without a space."""
    text = ""
    for sentence in sentences:
        text += sentence if not text or text.endswith(_HAN_ENDS) else f" {sentence}"
    return text


def as_json(value: Json) -> str:
    """A value as stored in evidence: equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _fresh_claim(rule: Rule, rows: Rows, before: Sequence[Claim]) -> Claim | None:
    used = {_opening(claim.text) for claim in before}
    first = derive_claim(rule, rows)
    if first is None or _opening(first.text) not in used:
        return first
    others = (derive_claim(rule, rows, variant) for variant in range(1, _TRIES))
    return next((claim for claim in others if claim and _opening(claim.text) not in used), first)


def _opening(text: str) -> tuple[str, ...]:
    if text.endswith(_HAN_ENDS):
        return tuple(text[:_HAN_OPENING])
    return tuple(text.lower().split()[:2])


def _top(path: str) -> str:
    return path.partition(".")[0]


def _at(value: Json, path: str) -> Json:
    if not path:
        return value
    step, _, rest = path.partition(".")
    if value is None:
        return None
    if isinstance(value, list):
        if step == "*":
            return [_at(element, rest) for element in value]
        if step.isdecimal() and int(step) < len(value):
            return _at(value[int(step)], rest)
    if isinstance(value, dict) and step in value:
        return _at(value[step], rest)
    raise LookupError(f"no {step} in {value!r}")


def _number(value: Json, name: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    raise TypeError(f"{name} is {value!r}, not a number")


def _text(value: Json, name: str) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise TypeError(f"{name} is {value!r}, not a string")
