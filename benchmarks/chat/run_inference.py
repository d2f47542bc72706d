"""The client of model servers as a Beam ModelHandler, for graphs of your own.

Soundseam's own graph does without RunInference: it asks about the clips of all works of a bundle in one stream, where
RunInference lets every batch run empty before it begins the next, and importing it loads torch wherever torch is
installed. `python -m benchmarks.chat` measures both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from soundseam.annotators.chat.client import ServerClient
from soundseam.annotators.chat.endpoint import Endpoint
from soundseam.annotators.chat.questions import Question, Reply

if TYPE_CHECKING:
    from apache_beam.ml.inference.base import ModelHandler

BATCH_TIMES_IN_FLIGHT = 8


def chat_handler(endpoint: Endpoint) -> ModelHandler[Sequence[Question], list[Reply], ServerClient]:
    """A handler for `RunInference`: an example is a group of questions on the same sound, an inference its replies.

    A reply that is an AnnotationError is one question that has no answer; where the servers stay away the bundle fails
    with ConnectionError, and the runner tries it again. Wrap it in a KeyedModelHandler to know which answer is whose.
    """
    # Not at the top: it would load torch for everybody.
    from apache_beam.ml.inference.base import ModelHandler

    class ChatHandler(ModelHandler[Sequence[Question], list[Reply], ServerClient]):
        def load_model(self) -> ServerClient:
            return ServerClient(endpoint)

        def run_inference(
            self,
            batch: Sequence[Sequence[Question]],
            model: ServerClient,
            inference_args: Mapping[str, Any] | None = None,  # noqa: ARG002 - RunInference passes it
        ) -> Iterable[list[Reply]]:
            return [replies for _, replies in model.ask((None, group) for group in batch)]

        def get_num_bytes(self, batch: Sequence[Sequence[Question]]) -> int:
            return sum(len(flac) for group in batch for question in group for flac in question.audio)

        def get_metrics_namespace(self) -> str:
            return "soundseam"

        def batch_elements_kwargs(self) -> Mapping[str, Any]:
            size = BATCH_TIMES_IN_FLIGHT * endpoint.in_flight
            return {"min_batch_size": size, "max_batch_size": size}

    return ChatHandler()
