"""How captions begin, counted over a corpus: of an opening that too many share, some captions are kept by lot."""

from __future__ import annotations

import re
from array import array
from collections import defaultdict
from collections.abc import Mapping

from pipeline.drawing import draw
from pipeline.filters.config import Collapse

_UNIT = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]|[^\W_]+(?:['\u2019][^\W_]+)*")


class Openings:
    """The lots of all captions, opening by opening: 8 bytes each."""

    def __init__(self, config: Collapse) -> None:
        self._config = config
        self._lots: defaultdict[str, array[float]] = defaultdict(lambda: array("d"))
        self._total = 0

    def count(self, name: str, text: str) -> None:
        self._total += 1
        self._lots[self.opening_of(text)].append(self._lot(name))

    def limits(self) -> Limits:
        """Once all are counted: which openings are too common, and which lots of theirs are kept."""
        allowed = max(self._config.least, int(self._config.share * self._total))
        over = {opening: lots for opening, lots in self._lots.items() if len(lots) > allowed}
        thresholds = {opening: sorted(lots)[allowed - 1] for opening, lots in over.items()}
        counts = {opening: len(lots) for opening, lots in over.items()}
        return Limits(self, thresholds, counts, self._total)

    def opening_of(self, text: str) -> str:
        units = _UNIT.findall(text.lower())
        return " ".join(units[: self._config.words])

    def is_kept(self, name: str, threshold: float) -> bool:
        return self._lot(name) <= threshold

    def _lot(self, name: str) -> float:
        return draw(self._config.seed, "opening", name)


class Limits:
    """What is too common, told caption by caption."""

    def __init__(
        self, openings: Openings, thresholds: Mapping[str, float], counts: Mapping[str, int], total: int
    ) -> None:
        self._openings, self._thresholds, self._counts, self._total = openings, thresholds, counts, total

    def excess(self, name: str, text: str) -> str | None:
        """Why a caption is one too many; None where it is kept."""
        opening = self._openings.opening_of(text)
        threshold = self._thresholds.get(opening)
        if threshold is None or self._openings.is_kept(name, threshold):
            return None
        return f"{self._counts[opening]:,} of {self._total:,} captions begin with {opening!r}"
