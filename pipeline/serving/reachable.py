"""Checks whether the servers of a configuration answer and serve the configured models."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator

from soundseam.annotators.chat.endpoint import Endpoint
from soundseam.annotators.chat.http import Attempts, Failure, Fault
from soundseam.pipeline.config import RunConfig
from soundseam.schemas.record import Record

PATIENCE_S = 5.0


class ServerReport(Record):
    """One server of a profile."""

    url: str
    model: str
    """The configured model."""
    used_by: tuple[str, ...]
    asked: bool
    problem: str = ""
    """The problem with its remedy; empty if it serves the model, or was not asked."""


def servers_of(config: RunConfig) -> list[ServerReport]:
    """The servers of `config`, in order, not asked yet."""
    used: dict[tuple[str, str], list[str]] = {}
    for name, endpoint in _endpoints(config):
        for url in endpoint.urls:
            used.setdefault((url, endpoint.model), []).append(name)
    return [
        ServerReport(url=url, model=model, used_by=tuple(names), asked=False) for (url, model), names in used.items()
    ]


def ask_servers(config: RunConfig) -> list[ServerReport]:
    """The servers of `config` after asking each for its models, concurrently, with a timeout of PATIENCE_S."""
    return asyncio.run(_ask_all(config))


async def _ask_all(config: RunConfig) -> list[ServerReport]:
    variables = {url: endpoint.api_key_variable for _, endpoint in _endpoints(config) for url in endpoint.urls}
    attempts = Attempts(PATIENCE_S)

    async def ask(server: ServerReport) -> ServerReport:
        variable = variables[server.url]
        response = await attempts.get(f"{server.url.rstrip('/')}/models", os.environ.get(variable, ""), PATIENCE_S)
        return server.model_copy(update={"asked": True, "problem": _problem(server, response, variable)})

    try:
        return list(await asyncio.gather(*map(ask, servers_of(config))))
    finally:
        await attempts.close()


def _problem(server: ServerReport, response: bytes | Failure, variable: str) -> str:
    start = (
        f"start it there with `soundseam serve start {server.model or 'MODEL'}`, or set server.urls to where it runs"
    )
    if isinstance(response, Failure):
        if response.fault is Fault.SET_UP:
            return f"{server.url} refuses ({response.detail}): set {variable} to its key, and server.urls to end in /v1"
        return f"{server.url} does not answer ({response.detail}): {start}"
    served = list(_served(response))
    if server.model in served:
        return ""
    return f"{server.url} serves {', '.join(served) or 'no model'}, not {server.model or 'an unnamed one'}: {start}"


def _served(body: bytes) -> Iterator[str]:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return
    models = answer.get("data") if isinstance(answer, dict) else None
    for model in models if isinstance(models, list) else []:
        if isinstance(model, dict) and isinstance(name := model.get("id"), str):
            yield name[:200]


def _endpoints(value: object, name: str = "") -> Iterator[tuple[str, Endpoint]]:
    """(user, endpoint) for all endpoints in a configuration."""
    if isinstance(value, Endpoint):
        yield name, value
    elif isinstance(value, Record):
        own = str(getattr(value, "backend", ""))
        for field in type(value).model_fields:
            inner = own if field == "server" and own else field
            yield from _endpoints(getattr(value, field), name if inner == "server" else _joined(name, inner))
    elif isinstance(value, tuple):
        for item in value:
            yield from _endpoints(item, name)


def _joined(name: str, inner: str) -> str:
    return f"{name}/{inner}".removeprefix("/").removeprefix("branches/")
