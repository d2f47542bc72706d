"""From a verifier's answers to a claim's probability and verdict.

A model that likes to say yes says it to a question and to its opposite. So each claim is asked about twice: whether it
is true, and whether it is false. Either answer gives a probability that it holds, and their log-odds are averaged:

    log-odds = (log-odds of yes to "is it true?" - log-odds of yes to "is it false?") / 2

A leaning to yes adds the same to both terms, and so cancels. Where the two answers lie far apart, leaning is all there
is, and the claim is unsure whatever the mean says.
"""

from __future__ import annotations

from math import exp, log

from pipeline.captions.caption_config import VerifierConfig
from schemas.caption import ClaimCheck, Doubt
from schemas.claim import Verdict

CERTAIN = 1e-6
"""Probabilities are taken to lie so far from 0 and 1: a model is never surer than its numbers."""


def probability(affirmed: float, denied: float) -> float:
    """That a claim holds, in (0, 1), from P(yes) to "is it true?" and P(yes) to "is it false?".

    It grows with `affirmed`, falls with `denied`, and a claim and its opposite add up to 1.
    """
    odds = (_log_odds(affirmed) - _log_odds(denied)) / 2
    return 1 / (1 + exp(-odds))


def disagreement(affirmed: float, denied: float) -> float:
    """How far the two answers are apart, in [0, 1]: both are probabilities that the claim holds."""
    return abs(affirmed - (1 - denied))


def judge(affirmed: float, denied: float, config: VerifierConfig) -> tuple[Verdict, float, ClaimCheck]:
    """What a verifier's two answers make of a claim."""
    held = probability(affirmed, denied)
    verdict, doubt = Verdict.UNSURE, Doubt.UNDECIDED
    if disagreement(affirmed, denied) > config.disagreement:
        doubt = Doubt.INCONSISTENT
    elif held >= config.confirm:
        verdict = Verdict.CONFIRMED
    elif held <= config.drop:
        verdict = Verdict.DROPPED
    check = ClaimCheck(affirmed=affirmed, denied=denied, doubt=doubt if verdict is Verdict.UNSURE else None)
    return verdict, held, check


def judge_silence(
    verdict: Verdict, check: ClaimCheck, silence: float, config: VerifierConfig
) -> tuple[Verdict, ClaimCheck]:
    """What becomes of a verdict where the claim had the probability `silence` with nothing to hear: a confirmed claim
    that is believed all the same was not heard at all."""
    believed = verdict is Verdict.CONFIRMED and silence >= config.believed
    doubt = Doubt.BELIEVED_IN_SILENCE if believed else check.doubt
    heard = check.model_copy(update={"silence": silence, "doubt": doubt})
    return (Verdict.UNSURE if believed else verdict), heard


def _log_odds(p: float) -> float:
    inside = min(1 - CERTAIN, max(CERTAIN, p))
    return log(inside / (1 - inside))
