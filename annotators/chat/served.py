"""What backends that ask a server have in common."""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import ClassVar, Generic, TypeVar

from annotators.base import AnnotationError, Backend, Clip, FactsT_co
from annotators.chat.endpoint import REMEDY, Endpoint
from annotators.chat.kept import KeepingAsker
from annotators.chat.questions import Asker, Question, Reply
from annotators.chat.streams import ask_keeping
from schemas.annotation import Facts
from schemas.segment import Segment

FactsT = TypeVar("FactsT", bound=Facts)


class ServedAnnotator(ABC, Generic[FactsT]):
    """An annotator that asks a server: best in one stream over all clips, so that many questions are under way."""

    def __init__(self, server: Endpoint) -> None:
        self._server = server
        self._own_asker: Asker | None = None

    @abstractmethod
    def annotate_stream(self, clips: Iterable[Clip], asker: Asker) -> Iterator[FactsT | AnnotationError]:
        """One answer for each clip, in order, or why it has none; clips are drawn as answers come.

        Raises ConnectionError where the servers stay away.
        """

    def annotate(self, clips: Sequence[Clip]) -> Sequence[FactsT]:
        """As `Annotator.annotate`, with a client of its own, and nothing kept."""
        if self._own_asker is None:
            self._own_asker = KeepingAsker(self._server.load())
        answers: list[FactsT] = []
        for answer in self.annotate_stream(clips, self._own_asker):
            if isinstance(answer, AnnotationError):
                raise answer
            answers.append(answer)
        return answers


class ServedBackend(Backend[FactsT_co]):
    """A backend whose model is behind a server. `load()` gives a `ServedAnnotator`."""

    server: Endpoint = Endpoint()
    """Where the model is, and how it is asked."""

    requires: ClassVar[tuple[str, ...]] = ("aiohttp",)
    remedy: ClassVar[str] = REMEDY
    hears_flac: ClassVar[bool] = True
    answers_revision: ClassVar[str] = "2"
    """Raised whenever the same model's answers may become another row."""

    @property
    def model(self) -> str:
        return self.server.model or "unnamed"

    @property
    def revision(self) -> str:
        return f"{self.server.revision}-{self.answers_revision}"

    def check_available(self) -> None:
        super().check_available()
        self.server.check_model(self.backend)

    @abstractmethod
    def load(self) -> ServedAnnotator[FactsT_co]:
        """The annotator. It connects only when it is asked something."""


def ask_about(
    clips: Iterable[Clip], asker: Asker, questions: Callable[[Clip], Sequence[Question]]
) -> Iterator[tuple[Segment, list[Reply]]]:
    """Each clip's segment with the replies to its `questions`, in order. Of the clips in flight only segments stay."""
    return ask_keeping(asker, clips, questions, lambda clip: clip.segment)


def flac_of(clip: Clip) -> bytes:
    """The clip as a FLAC file: the segment's own where it came along, else made of its samples, 16 bit."""
    if clip.flac:
        return clip.flac
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, clip.samples.T, clip.sample_rate_hz, format="FLAC", subtype="PCM_16")
    return file.getvalue()
