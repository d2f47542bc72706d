"""Which closed questions a language model can answer without the audio."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from soundseam.annotators.base import AnnotationError
from soundseam.annotators.chat.questions import ChatClient, Question, QuestionKind, Reply, Sampling
from soundseam.annotators.prompts import TRAINING
from soundseam.pipeline.sft.answers import LETTERS, TimestampFormat, letter_of, score_answer
from soundseam.pipeline.sft.balance import CLOSED
from soundseam.schemas.sample import Sample, Scoring

ANSWERER_PROMPTS = ("guess", "guess_open")
ANSWERER_ASKS = (QuestionKind(answer="choices"), QuestionKind())
_SAMPLING = Sampling(max_tokens=64)


def with_text_only(samples: Iterable[Sample], style: TimestampFormat, client: ChatClient) -> Iterator[Sample]:
    """The samples in order, those of closed questions with the score of a model without audio.

    A question refused by the server has no score. Samples are drawn as answers arrive.
    """
    for sample, replies in client.ask((sample, _questions(sample)) for sample in samples):
        if replies:
            yield sample.model_copy(update={"text_only": rightness(sample, replies[0], style)})
        else:
            yield sample


def choice_question(prompt: str, language: str, about: str, choices: Sequence[str], **slots: str) -> Question:
    """Asks for the letter of one of `choices`."""
    lines = "\n".join(f"{letter}. {choice}" for letter, choice in zip(LETTERS, choices, strict=False))
    return Question(
        text=TRAINING.filled(prompt, language, choices=lines, **slots),
        sampling=Sampling(max_tokens=8),
        choices=tuple(LETTERS[: len(choices)]),
        about=about,
    )


def probability_of(reply: Reply, question: Question, letter: str) -> float | None:
    """The probability of a letter; 1 or 0 if the server gives none. None if there is no answer."""
    if isinstance(reply, AnnotationError):
        return None
    if letter in reply.probabilities:
        return min(1.0, max(0.0, reply.probabilities[letter]))
    given = letter_of(reply.text)
    return float(given == letter) if given in question.choices else None


def rightness(sample: Sample, reply: Reply, style: TimestampFormat) -> float | None:
    spec = sample.answer_spec
    if spec.scoring is Scoring.CHOICE:
        return probability_of(reply, _questions(sample)[0], LETTERS[spec.correct or 0])
    return None if isinstance(reply, AnnotationError) else score_answer(spec, reply.text, style)


def _questions(sample: Sample) -> Sequence[Question]:
    spec = sample.answer_spec
    if spec.scoring not in CLOSED or sample.text_only is not None:
        return ()
    if spec.scoring is Scoring.CHOICE:
        # The question already contains its choices.
        text = TRAINING.filled("guess", sample.language, question=sample.question, choices="")
        return (
            Question(
                text=text,
                sampling=Sampling(max_tokens=8),
                choices=tuple(LETTERS[: len(spec.choices)]),
                about=sample.recording_id,
            ),
        )
    text = TRAINING.filled("guess_open", sample.language, question=sample.question)
    return (Question(text=text, sampling=_SAMPLING, about=sample.recording_id),)
