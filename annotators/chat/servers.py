"""Several servers of one model: which to ask next, and which to leave alone for a while."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

FIRST_REST_S = 0.5
LONGEST_REST_S = 30.0
LONGEST_RETRY_AFTER_S = 60.0
FAILURES_BEFORE_REST = 3
"""In a row: single answers that fail are mostly the question's fault."""


@dataclass
class Server:
    """One server as it was last seen."""

    url: str
    under_way: int = 0
    """Requests of ours."""
    chosen: int = 0
    """The number of the choice that last fell on it: of equals, the one that waited longest is next."""
    failures: int = 0
    """In a row."""
    rests: int = 0
    """In a row."""
    rest_until_s: float = 0.0
    refusal: str = ""
    """Why it will never answer us as we are set up."""


class Servers:
    """Of several servers, chooses; not thread-safe: it lives on one event loop."""

    def __init__(self, urls: Sequence[str], now_s: Callable[[], float] = time.monotonic) -> None:
        self.all = [Server(url.rstrip("/")) for url in urls]
        self.answered_s = float("-inf")
        """When any of them last answered a question."""
        self._now_s = now_s
        self._choices = 0

    def choose(self, preferred: Server | None = None, avoid: Server | None = None) -> Server | None:
        """An awake one with the fewest requests under way: `preferred` if it can be, `avoid` if it must be."""
        awake = [server for server in self.all if not server.refusal and server.rest_until_s <= self._now_s()]
        if not awake:
            return None
        if preferred in awake and preferred is not avoid:
            return preferred
        others = [server for server in awake if server is not avoid] or awake
        self._choices += 1
        best = min(others, key=lambda server: (server.under_way, server.chosen))
        best.chosen = self._choices
        return best

    def seconds_to_wait(self) -> float:
        """Until one wakes; 0 where one is awake. Raises ConnectionError where all refuse us."""
        wakes = [server.rest_until_s for server in self.all if not server.refusal]
        if not wakes:
            raise ConnectionError("; ".join(f"{server.url}: {server.refusal}" for server in self.all))
        return max(0.0, min(wakes) - self._now_s())

    def answered(self, server: Server) -> None:
        server.failures = server.rests = 0
        self.answered_s = self._now_s()

    def failed(self, server: Server, sent_s: float, is_away: bool, retry_after_s: float = 0.0) -> None:
        """A request sent at `sent_s` failed: it `is_away`, or busy, or something else went wrong."""
        now_s = self._now_s()
        if sent_s < server.rest_until_s:
            return  # sent before the rest that it would lead to
        server.failures += 1
        if is_away or server.failures >= FAILURES_BEFORE_REST:
            rest_s = min(LONGEST_REST_S, FIRST_REST_S * 2**server.rests)
            server.rests += 1
            server.rest_until_s = now_s + max(rest_s, min(retry_after_s, LONGEST_RETRY_AFTER_S))
