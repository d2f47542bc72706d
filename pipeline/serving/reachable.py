"""Asks the servers of a configuration what they can answer: one question of each kind, before thousands are asked."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from soundseam.annotators.chat.diagnosis import (
    Post,
    Probed,
    Request,
    answers_simply,
    fitting_dialect,
    probe_question,
    probed,
    shortened,
)
from soundseam.annotators.chat.endpoint import Endpoint
from soundseam.annotators.chat.http import Attempts, Failure, Fault, no_answer
from soundseam.annotators.chat.questions import QuestionKind
from soundseam.annotators.chat.served import ServedBackend
from soundseam.pipeline.config import RunConfig, SetupError
from soundseam.pipeline.plan import annotation_stage
from soundseam.pipeline.work import CAPTIONS_STAGE
from soundseam.schemas.record import Record

PATIENCE_S = 5.0
PROBE_S = 10.0
"""Timeout of one question. A slower server may be loading its model: nothing is concluded."""
SEARCH_S = 20.0
"""Timeout of the search for a dialect that the server understands."""


@dataclass(frozen=True)
class ServerUse:
    """One user of a server in a configuration, and what it asks."""

    name: str
    stage: str
    endpoint: Endpoint
    kinds: tuple[QuestionKind, ...]


class KindReport(Record):
    """What a server makes of one kind of question."""

    kind: str
    state: Literal["answered", "not answered", "unclear"]
    detail: str = ""


class ServerReport(Record):
    """One server of a profile."""

    url: str
    model: str
    """The configured model."""
    used_by: tuple[str, ...]
    asked: bool
    problem: str = ""
    """The problem with its remedy; empty if it serves the model and answers, or was not asked."""
    fault: Literal["none", "away", "refuses", "lacks"] = "none"
    """away: it may still come. refuses: not us, or not this model. lacks: it cannot answer a kind of question."""
    kinds: tuple[KindReport, ...] = ()
    notice: str = ""
    """What a run says of it before it goes on; empty for nothing, or what `problem` says."""


def server_uses(config: RunConfig) -> list[ServerUse]:
    """The users of servers in `config`, in the order in which they run."""
    uses = [
        ServerUse(f"{branch}/{backend.backend}", annotation_stage(backend), backend.server, backend.asks)
        for branch, backends in config.branches.by_branch().items()
        for backend in backends
        if isinstance(backend, ServedBackend)
    ]
    captions = config.captions
    if captions.composer == "writer" and captions.writer is not None:
        uses.append(ServerUse("captions/writer", CAPTIONS_STAGE, captions.writer.server, captions.writer.asks))
    if captions.verifier is not None:
        uses.append(ServerUse("captions/verifier", CAPTIONS_STAGE, captions.verifier.server, captions.verifier.asks))
    return uses


@dataclass(frozen=True)
class _Asked:
    """One server, how it is asked, and by whom."""

    url: str
    endpoint: Endpoint
    uses: tuple[ServerUse, ...]
    settings: Mapping[str, Endpoint]

    @property
    def kinds(self) -> tuple[QuestionKind, ...]:
        return tuple(dict.fromkeys(kind for use in self.uses for kind in use.kinds))

    @property
    def users(self) -> str:
        return ", ".join(use.name for use in self.uses)

    @property
    def key(self) -> str:
        return os.environ.get(self.endpoint.api_key_variable, "")

    @property
    def report(self) -> ServerReport:
        names = tuple(use.name for use in self.uses)
        return ServerReport(url=self.url, model=self.endpoint.model, used_by=names, asked=False)

    def remedy(self, dialect: str) -> str:
        """The options that set the dialect wherever the configuration describes this server."""
        mine = {use.endpoint for use in self.uses}
        paths = [path for path, endpoint in self.settings.items() if endpoint in mine]
        if paths:
            return f"use {' '.join(f'--set {path}.dialect={dialect}' for path in paths)}"
        return f"set `dialect: {dialect}` for the server of {self.users}"


def _servers(uses: Iterable[ServerUse], settings: Mapping[str, Endpoint]) -> list[_Asked]:
    """Each server once for each model and dialect, in order."""
    found: dict[tuple[str, str, str, str], _Asked] = {}
    for use in uses:
        for url in use.endpoint.urls:
            same = (url, use.endpoint.model, use.endpoint.dialect, use.endpoint.api_key_variable)
            before = found.get(same, _Asked(url.rstrip("/"), use.endpoint, (), settings))
            found[same] = replace(before, uses=(*before.uses, use))
    return list(found.values())


def servers_of(uses: Iterable[ServerUse]) -> list[ServerReport]:
    """The servers of `uses`, in order, not asked yet."""
    return [server.report for server in _servers(uses, {})]


def ask_servers(uses: Iterable[ServerUse], settings: Mapping[str, Endpoint] | None = None) -> list[ServerReport]:
    """The servers of `uses` after asking each, concurrently, for its models and then one question of each kind.

    `settings` are the places of the configuration that describe servers, for the remedies.
    """
    return asyncio.run(_ask_all(_servers(uses, settings or {}), models_first=True))


def check_servers(
    uses: Sequence[ServerUse], settings: Mapping[str, Endpoint], is_local: bool = True
) -> tuple[str, ...]:
    """Asks each server one question of each kind; returns what is worth a notice, one line each.

    Raises SetupError if a server lacks what will be asked of it, or if all servers of a user refuse us; elsewhere than
    on this machine (`is_local` is false) another key may be set. A server that is away or busy may still come.
    """
    servers = _servers(uses, settings)
    reports = asyncio.run(_ask_all(servers, models_first=False)) if servers else []
    fatal = [report.problem for report in reports if report.fault == "lacks"]
    refusing = {report.url: report.problem for report in reports if report.fault == "refuses"}
    for use in uses if is_local else ():
        urls = [url.rstrip("/") for url in use.endpoint.urls]
        if all(url in refusing for url in urls):
            fatal += [refusing[url] for url in urls]
    if fatal:
        raise SetupError("; ".join(dict.fromkeys(fatal)))
    return tuple(dict.fromkeys(filter(None, (report.notice or report.problem for report in reports))))


async def _ask_all(servers: Sequence[_Asked], models_first: bool) -> list[ServerReport]:
    attempts = Attempts(PROBE_S)

    async def ask(server: _Asked) -> ServerReport:
        if models_first:
            listed = await attempts.get(f"{server.url}/models", server.key, PATIENCE_S)
            report = _with_models(server, listed)
            if report.problem:
                return report

        async def post(request: Request) -> bytes | Failure:
            outcome = await attempts.post(f"{server.url}/{request.path}", request.body(), server.key)
            return outcome if isinstance(outcome, Failure) else no_answer(outcome, request.holds) or outcome

        return await _examined(server, post)

    try:
        return list(await asyncio.gather(*map(ask, servers)))
    finally:
        await attempts.close()


async def _examined(server: _Asked, post: Post) -> ServerReport:
    """The report on a server after one question of each kind; what fails is asked again, then in other dialects."""
    endpoint = server.endpoint
    requests = [Request(probe_question(kind), endpoint.model, endpoint.dialect) for kind in server.kinds]
    found = await asyncio.gather(*(probed(post, request) for request in requests))
    found = [
        await probed(post, request) if one.is_refused else one for request, one in zip(requests, found, strict=True)
    ]
    asked = dict(zip(requests, found, strict=True))
    kinds = tuple(_kind_report(request, one) for request, one in asked.items())
    report = server.report.model_copy(update={"asked": True, "kinds": kinds})
    refused = [one.failure for one in found if one.failure and one.is_refused]
    if len(refused) == len(requests) and all(failure.fault is Fault.SET_UP for failure in refused):
        return report.model_copy(update={"fault": "refuses", "problem": _refusal(server, refused[0])})
    with contextlib.suppress(TimeoutError):  # of a slow server, nothing is concluded
        async with asyncio.timeout(SEARCH_S):
            if refused:
                return report.model_copy(update=await _lack(server, post, asked))
            if any(one.remark for one in found):
                report = report.model_copy(update={"notice": await _carelessness(server, post, asked)})
    if failure := next((one.failure for one in found if one.failure), None):
        return report.model_copy(update=_absent(server, failure))
    return report


async def _lack(server: _Asked, post: Post, asked: Mapping[Request, Probed]) -> dict[str, str]:
    """The fault and the problem of a server that does not answer some kinds of questions."""
    refused = {request: one.failure for request, one in asked.items() if one.failure and one.is_refused}
    why = shortened(next(iter(refused.values())).detail)
    what = f"{_kinds_of(refused)}, as {server.users} would ask"
    if dialect := await fitting_dialect(post, [one for one in asked if one.question.interface == "chat"]):
        problem = (
            f"{server.url} does not answer {what}, in the dialect {server.endpoint.dialect} ({why}), but in {dialect}: "
            f"{server.remedy(dialect)}"
        )
    elif len(refused) < len(asked) or await answers_simply(post, next(iter(asked))):
        problem = (
            f"{server.url} answers questions, but not {what}, in no dialect ({why}): serve a model that takes it, or "
            f"leave out what asks {server.endpoint.model}"
        )
    else:
        return {"fault": "away", "problem": f"{server.url} does not answer {what} ({why})"}
    return {"fault": "lacks", "problem": problem}


async def _carelessness(server: _Asked, post: Post, asked: Mapping[Request, Probed]) -> str:
    """A notice of a server that answers, but not always in the form that it was asked for."""
    careless = {request: one.remark for request, one in asked.items() if one.remark}
    why = shortened(next(iter(careless.values())))
    notice = f"{server.url} does not keep to the form of {_kinds_of(careless)} ({why})"
    if dialect := await fitting_dialect(post, list(asked), exactly=True):
        return f"{notice}, but does so in the dialect {dialect}: {server.remedy(dialect)}"
    return f"{notice}: answers in another form are rejected"


def _kinds_of(requests: Iterable[Request]) -> str:
    return " and ".join(str(request.question.kind) for request in requests)


def _kind_report(request: Request, found: Probed) -> KindReport:
    kind = str(request.question.kind)
    if found.failure is None:
        return KindReport(kind=kind, state="answered", detail=shortened(found.remark))
    state: Literal["not answered", "unclear"] = "not answered" if found.is_refused else "unclear"
    return KindReport(kind=kind, state=state, detail=shortened(found.failure.detail))


def _refusal(server: _Asked, failure: Failure) -> str:
    why = f"{server.url} refuses ({shortened(failure.detail)})"
    if failure.detail.startswith(("HTTP 401", "HTTP 403")):
        return f"{why}: set the environment variable {server.endpoint.api_key_variable} to its key"
    return f"{why}: set server.urls to an address that ends in /v1, and server.model to a model that it serves for this"


def _absent(server: _Asked, failure: Failure) -> dict[str, str]:
    """A server that is away, busy or slow: it may still come."""
    why, model, outage_s = shortened(failure.detail), server.endpoint.model or "MODEL", server.endpoint.outage_s
    return {
        "fault": "away",
        "problem": f"{server.url} does not answer ({why}): start it there with `soundseam serve start {model}`, or set "
        "server.urls to where it runs",
        "notice": f"{server.url} does not answer yet ({why}): it is asked again for up to {outage_s:g} s",
    }


def _with_models(server: _Asked, listed: bytes | Failure) -> ServerReport:
    """The report on a server after it was asked for its models."""
    report = server.report.model_copy(update={"asked": True})
    if isinstance(listed, Failure):
        if listed.fault is Fault.SET_UP:
            return report.model_copy(update={"problem": _refusal(server, listed), "fault": "refuses"})
        return report.model_copy(update=_absent(server, listed))
    served, model = list(_served(listed)), server.endpoint.model
    if model in served:
        return report
    start = f"start it there with `soundseam serve start {model or 'MODEL'}`, or set server.urls to where it runs"
    problem = f"{server.url} serves {', '.join(served) or 'no model'}, not {model or 'an unnamed one'}: {start}"
    return report.model_copy(update={"problem": problem, "fault": "refuses"})


def _served(body: bytes) -> Iterator[str]:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return
    models = answer.get("data") if isinstance(answer, dict) else None
    for model in models if isinstance(models, list) else []:
        if isinstance(model, dict) and isinstance(name := model.get("id"), str):
            yield name[:200]
