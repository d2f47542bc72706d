"""What leads in a caption, and what counts."""

from __future__ import annotations

import pytest

from soundseam.annotators.grammar.composer import RULES, rule_named
from soundseam.pipeline.captions.plan import MAX_FACTS, plan_caption
from soundseam.pipeline.captions.priors import priors
from soundseam.pipeline.cutting.route import RouteConfig, route
from soundseam.schemas.caption import ResultKind
from soundseam.schemas.claim import Claim
from soundseam.schemas.event import Branch, EventClass, Tag, TagKind
from soundseam.schemas.general import GeneralFacts
from soundseam.schemas.music import Chord, Lyrics, MusicFacts
from soundseam.schemas.speech import SpeechFacts
from tests.support.caption_rows import (
    contents_by_kind,
    event,
    music,
    plausible,
    row,
    segment,
    voice,
    with_captions,
)

SPEECH, MUSIC, GENERAL = Branch.SPEECH, Branch.MUSIC, Branch.GENERAL
ONE = segment([event(EventClass.MUSIC, 0, 10_000)], [MUSIC])


def test_the_strongest_kind_of_sound_leads_as_it_led_the_routing() -> None:
    for seed in range(100):
        one, _ = plausible(seed)
        routed = one.model_copy(update={"branches": route(one.events, RouteConfig())})
        found = priors(routed)
        assert tuple(prior.branch for prior in found) == routed.branches
        assert [prior.strength for prior in found] == sorted((prior.strength for prior in found), reverse=True)
        assert 0 < sum(prior.strength for prior in found) <= 1.0001


def test_a_fact_weighs_its_prior_times_its_confidence() -> None:
    events = [event(EventClass.SPEECH, 0, 7_500, score=0.8), event(EventClass.ANIMAL, 8_000, 10_000, score=1.0)]
    plan = plan_caption(segment(events, [SPEECH, GENERAL]), ()).plan
    weights = {fact.source: fact.weight for fact in plan.facts}
    assert weights["segments//events.0.label"] == pytest.approx(0.75 * 0.8, abs=1e-3)
    assert weights["segments//events.1.label"] == pytest.approx(0.25 * 1.0, abs=1e-3)


def test_facts_of_the_leading_branch_come_first() -> None:
    events = [event(EventClass.SPEECH, 0, 2_000), event(EventClass.MUSIC, 2_000, 10_000)]
    one = segment(events, [SPEECH, MUSIC])
    rows = [row(one, SpeechFacts(voice=voice()), "voice", SPEECH), row(one, music(), "mir", MUSIC)]
    planned = plan_caption(one, rows)
    assert planned.branches == (MUSIC, SPEECH)
    of_music = [fact.content for fact in planned.facts].index("in D major")
    assert of_music < [fact.kind for fact in planned.facts].index(ResultKind.VOICE)


def test_what_the_grammar_said_of_other_facts_is_not_told_again_but_what_a_captioner_said_is() -> None:
    one, rows = plausible(3)
    free = Claim(text="A dog barks.", rule="captioner", evidence=())
    captioner = row(one, GeneralFacts(caption=free.text, caption_claims=(free,)), "captioner", GENERAL)
    told = contents_by_kind(one, [*with_captions(one, rows), captioner])
    assert told[ResultKind.STATEMENT] == ["A dog barks."]


@pytest.mark.parametrize("usable", [True, False])
def test_lyrics_are_told_only_where_they_may_be_trained_on(usable: bool) -> None:
    lyrics = Lyrics(
        text="row your boat",
        words=(),
        language="en",
        confidence=0.5,
        recogniser="w",
        usable_for_training=usable,
        flags=(),
    )
    told = contents_by_kind(ONE, [row(ONE, MusicFacts(lyrics=lyrics), "lyrics", MUSIC)])
    assert told.get(ResultKind.LYRICS, []) == (["row your boat"] if usable else [])


def test_tags_are_told_with_what_they_speak_of() -> None:
    tags = (
        Tag(label="piano", kind=TagKind.INSTRUMENT, score=0.8, source="clap"),
        Tag(label="live recording", kind=TagKind.OTHER, score=0.4, source="clap"),
    )
    assert contents_by_kind(ONE, [row(ONE, MusicFacts(tags=tags), "tags", MUSIC)])[ResultKind.TAG] == [
        "instrument: piano",
        "live recording",
    ]


def test_a_writer_is_given_the_weightiest_facts() -> None:
    chords = tuple(
        Chord(start_ms=100 * index, end_ms=100 * index + 100, label="C:maj", confidence=0.2 if index % 2 else 0.9)
        for index in range(100)
    )
    plan = plan_caption(ONE, [row(ONE, music(chords=chords), "mir", MUSIC)]).plan
    assert len(plan.facts) == MAX_FACTS
    assert min(fact.weight for fact in plan.facts) > 0.4
    chords_told = [int(fact.source.split(".")[1]) for fact in plan.facts if fact.kind is ResultKind.CHORD]
    assert len(chords_told) > 30
    assert chords_told == sorted(chords_told)


@pytest.mark.parametrize("name", ["music.opening~music:rhythm", "music.opening~music:rhythm+music:tonality"])
def test_a_rule_can_be_told_without_a_field(name: str) -> None:
    rule = rule_named(name)
    assert rule.name == name
    assert not any(read.startswith("music:rhythm") for read in rule.reads)
    assert rule.topics == RULES["music.opening"].topics


@pytest.mark.parametrize(
    "name", ["guess", "music.opening~", "music.opening~speech:voice", "music.opening~music:tonality+music:rhythm"]
)
def test_a_name_that_no_rule_has_is_none(name: str) -> None:
    with pytest.raises(KeyError):
        rule_named(name)
