"""The route that compares two stored recordings of one person."""

from __future__ import annotations

import asyncio

from fastapi import FastAPI, Request, Response

from ecgfoundry.service.openapi import answers, objects
from ecgfoundry.service.query_params import Compared
from ecgfoundry.service.recordings import response_of
from ecgfoundry.service.route_parts import caller_of, described
from ecgfoundry.service.state import ServiceState
from ecgfoundry.service.work import Work
from ecgfoundry.service.worker_limits import limits_for

__all__ = ["add_comparing_routes"]


def add_comparing_routes(app: FastAPI, state: ServiceState) -> None:
    """Add the route."""
    limits = limits_for(state.settings.worker_memory_bytes)

    @app.get(
        "/v1/recordings/{recording}/comparison",
        **described(
            "stored recordings",
            "What changed since an earlier recording of the same person",
            answers(objects("Comparison"), "Changes, statements, median beats"),
            Compared,
        ),
    )
    async def comparison(recording: str, request: Request) -> Response:
        asked, caller = Compared.of(request), caller_of(request)
        if not asked.same_person:
            people = (recording, asked.earlier, caller)
            await asyncio.to_thread(state.kept.refuse_two_persons, *people)
        async with (
            state.stored.using(recording, caller) as (path, name),
            state.stored.using(asked.earlier, caller) as (earlier, _),
        ):
            work = Work(
                "compare",
                str(path),
                name,
                asked.options(limits),
                earlier=str(earlier),
                same_person=asked.same_person or None,
            )
            return response_of(await state.pool.submit(work))
