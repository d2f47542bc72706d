"""Verifies claims against the audio: a model that gets the audio is asked about each claim in two ways.

All questions about a segment are sent together, the audio first, so that a server encodes the audio once. For some
segments, the confirmed claims are checked again with silence of the same length: if the model also believes a claim
then, it does not depend on the audio.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import exp, log

import numpy as np

from soundseam.annotators.base import AnnotationError
from soundseam.annotators.chat.questions import ChatClient, ContextT, Question, Reply, Sampling
from soundseam.annotators.flac import encode_flac, num_flac_samples
from soundseam.annotators.grammar.engine import caption_text
from soundseam.annotators.prompts import CAPTIONS
from soundseam.pipeline.captions.caption_config import CaptionLanguage, VerifierConfig
from soundseam.pipeline.captions.merge import branches_of
from soundseam.schemas.caption import Caption, ClaimCheck, UnsureReason
from soundseam.schemas.claim import Claim, Verdict, remaining_claims
from soundseam.schemas.record import draw
from soundseam.schemas.segment import Segment

CERTAIN = 1e-6
"""Probabilities are clipped to this distance from 0 and 1."""


def probability(affirmed: float, denied: float) -> float:
    """The probability that a claim holds, in (0, 1), from P(yes) to "is it true?" and P(yes) to "is it false?".

    It rises with `affirmed`, falls with `denied`, and those of a claim and its opposite sum to 1.
    """
    odds = (_log_odds(affirmed) - _log_odds(denied)) / 2
    return 1 / (1 + exp(-odds))


def disagreement(affirmed: float, denied: float) -> float:
    """The difference of the two answers, in [0, 1], as probabilities that the claim holds."""
    return abs(affirmed - (1 - denied))


def judge(affirmed: float, denied: float, config: VerifierConfig) -> tuple[Verdict, float, ClaimCheck]:
    """The verdict on a claim from a verifier's two answers."""
    held = probability(affirmed, denied)
    verdict, doubt = Verdict.UNSURE, UnsureReason.UNDECIDED
    if disagreement(affirmed, denied) > config.disagreement:
        doubt = UnsureReason.INCONSISTENT
    elif held >= config.confirm:
        verdict = Verdict.CONFIRMED
    elif held <= config.drop:
        verdict = Verdict.DROPPED
    check = ClaimCheck(affirmed=affirmed, denied=denied, doubt=doubt if verdict is Verdict.UNSURE else None)
    return verdict, held, check


def judge_silence(
    verdict: Verdict, check: ClaimCheck, silence: float, config: VerifierConfig
) -> tuple[Verdict, ClaimCheck]:
    """The verdict after the check with silence, in which the claim had the probability `silence`: a confirmed claim
    that is believed there too becomes unsure.
    """
    believed = verdict is Verdict.CONFIRMED and silence >= config.believed
    doubt = UnsureReason.BELIEVED_IN_SILENCE if believed else check.doubt
    checked = check.model_copy(update={"silence": silence, "doubt": doubt})
    return (Verdict.UNSURE if believed else verdict), checked


def _log_odds(p: float) -> float:
    inside = min(1 - CERTAIN, max(CERTAIN, p))
    return log(inside / (1 - inside))


CHOICES: dict[CaptionLanguage, tuple[str, str]] = {"en": ("yes", "no"), "zh": ("是", "否")}
"""The only allowed answers, the affirmative first."""
_SAMPLING = Sampling(max_tokens=16)


@dataclass(frozen=True)
class VerifierInput:
    """A caption to verify, with the segment's FLAC file."""

    segment: Segment
    caption: Caption
    flac: bytes


Verified = Caption | AnnotationError
"""The caption with its verdicts, or why it could not be verified."""


def verify_captions(
    captions: Iterable[tuple[ContextT, VerifierInput | None]], config: VerifierConfig, client: ChatClient
) -> Iterator[tuple[ContextT, Verified | None]]:
    """Each caption's context with the verified caption, in order; None, of which nothing is asked, stays None.

    Captions are drawn as questions are answered.
    """
    asked = client.ask((pair, [] if pair[1] is None else claim_questions(pair[1])) for pair in captions)
    judged = (
        (context, None if caption is None else _judge_all(caption, replies, config))
        for (context, caption), replies in asked
    )
    again = client.ask((pair, [] if pair[1] is None else _silent_questions(pair[1], config)) for pair in judged)
    for (context, one), replies in again:
        yield context, None if one is None else _after_silence(one, replies, config)


def claim_questions(verifier_input: VerifierInput) -> list[Question]:
    """Two questions per claim: whether it is true, and whether it is false."""
    return [
        question
        for claim in verifier_input.caption.claims
        for question in questions_about(
            claim.text, verifier_input.flac, verifier_input.caption.language, verifier_input.caption.recording_id
        )
    ]


def questions_about(claim: str, flac: bytes, language: str, about: str = "") -> tuple[Question, Question]:
    """Two questions: whether `claim` is true of the audio in `flac`, and whether it is false."""
    spoken: CaptionLanguage = "zh" if language == "zh" else "en"
    affirm, deny = (
        Question(
            text=CAPTIONS.filled(name, spoken, claim=claim),
            audio=(flac,),
            sampling=_SAMPLING,
            choices=CHOICES[spoken],
            about=about,
        )
        for name in ("affirm", "deny")
    )
    return affirm, deny


def said_yes(reply: Reply, question: Question) -> float:
    """The probability of the affirmative answer. Raises AnnotationError if there is none."""
    if isinstance(reply, AnnotationError):
        raise reply
    yes = question.choices[0]
    if yes not in reply.probabilities or not 0.0 <= reply.probabilities[yes] <= 1.0:
        raise AnnotationError("no_probability", f"the server gives no probability of {yes!r}: {reply.text[:200]!r}")
    return reply.probabilities[yes]


def is_asked_in_silence(segment_id: str, config: VerifierConfig) -> bool:
    """Whether a segment's claims are also checked with silence: the same in every run."""
    return draw(config.seed, "silence", segment_id) < config.silence_share


@lru_cache(maxsize=64)
def silence_like(samples: int) -> bytes:
    """A FLAC file with `samples` samples of silence."""
    return encode_flac(np.zeros(samples, np.float32))


@dataclass(frozen=True)
class _Judged:
    verifier_input: VerifierInput
    claims: tuple[Claim, ...]
    checks: tuple[ClaimCheck, ...]
    error: AnnotationError | None = None


def _judge_all(verifier_input: VerifierInput, replies: Sequence[Reply], config: VerifierConfig) -> _Judged:
    try:
        answers = [
            said_yes(reply, question) for reply, question in zip(replies, claim_questions(verifier_input), strict=True)
        ]
    except AnnotationError as error:
        return _Judged(verifier_input, (), (), error)
    claims, checks = [], []
    for claim, affirmed, denied in zip(verifier_input.caption.claims, answers[::2], answers[1::2], strict=True):
        verdict, held, check = judge(affirmed, denied, config)
        claims.append(claim.model_copy(update={"verdict": verdict, "probability": held}))
        checks.append(check)
    return _Judged(verifier_input, tuple(claims), tuple(checks))


def _silent_questions(judged: _Judged, config: VerifierConfig) -> list[Question]:
    confirmed = [claim for claim in judged.claims if claim.verdict is Verdict.CONFIRMED]
    if not confirmed or not is_asked_in_silence(judged.verifier_input.segment.segment_id, config):
        return []
    caption = judged.verifier_input.caption
    silence = silence_like(num_flac_samples(judged.verifier_input.flac))
    return [
        question
        for claim in confirmed
        for question in questions_about(claim.text, silence, caption.language, caption.recording_id)
    ]


def _after_silence(judged: _Judged, replies: Sequence[Reply], config: VerifierConfig) -> Verified:
    if judged.error is not None:
        return judged.error
    if not replies:
        return verified_caption(judged.verifier_input, judged.claims, judged.checks)
    questions = _silent_questions(judged, config)
    try:
        answers = [said_yes(reply, question) for reply, question in zip(replies, questions, strict=True)]
    except AnnotationError as error:
        return error
    silent = iter([probability(*pair) for pair in zip(answers[::2], answers[1::2], strict=True)])
    claims, checks = [], []
    for claim, check in zip(judged.claims, judged.checks, strict=True):
        verdict, final_check = claim.verdict, check
        if verdict is Verdict.CONFIRMED:
            verdict, final_check = judge_silence(verdict, check, next(silent), config)
        claims.append(claim.model_copy(update={"verdict": verdict}))
        checks.append(final_check)
    return verified_caption(judged.verifier_input, tuple(claims), tuple(checks))


def verified_caption(
    verifier_input: VerifierInput, claims: tuple[Claim, ...], checks: tuple[ClaimCheck, ...]
) -> Caption:
    """The caption with the claims that were not dropped; verified if all of them were confirmed."""
    remaining = remaining_claims(claims)
    return verifier_input.caption.model_copy(
        update={
            "caption": caption_text(remaining),
            "branches": branches_of(verifier_input.segment, remaining),
            "claims": claims,
            "checks": checks,
            "verified": bool(remaining) and all(claim.verdict is Verdict.CONFIRMED for claim in remaining),
        }
    )


def dropped_in_words(caption: Caption) -> str:
    """The dropped claims with their probabilities, for a person."""
    dropped = [claim for claim in caption.claims if claim.verdict is Verdict.DROPPED]
    return "; ".join(f"{claim.text!r} at {claim.probability or 0.0:.3f}" for claim in dropped)
