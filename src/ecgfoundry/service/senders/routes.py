"""Routes of the outbox: what was sent where, what is dead, and sending it again."""

from __future__ import annotations

import asyncio

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from ecgfoundry.service.database.audit import Event, write_audit
from ecgfoundry.service.database.deliveries import list_deliveries, revive, superseded
from ecgfoundry.service.database.tables import Delivery
from ecgfoundry.service.openapi import answers, objects
from ecgfoundry.service.problems import Problem, ProblemError
from ecgfoundry.service.query_params import DeliveryList
from ecgfoundry.service.route_parts import caller_of, described
from ecgfoundry.service.senders.outbox import delivery_out
from ecgfoundry.service.state import ServiceState

__all__ = ["add_delivery_routes"]

_TAG = "hospital"
_LARGEST = 2**63 - 1


def add_delivery_routes(app: FastAPI, state: ServiceState) -> None:
    """Add the routes of the outbox; they are for the role admin."""

    @app.get(
        "/v1/deliveries",
        **described(
            _TAG,
            "What was sent to other systems, the newest first; for the role admin",
            answers(objects("Deliveries"), "A list"),
            DeliveryList,
        ),
    )
    async def listed(request: Request) -> Response:
        caller_of(request).needs("admin")
        asked = DeliveryList.of(request)

        def found() -> list[dict[str, object]]:
            with state.kept.database.reading() as session:
                rows = list_deliveries(
                    session,
                    recording_id=asked.recording,
                    destination=asked.destination,
                    state=asked.state,
                    limit=asked.limit,
                )
                return [delivery_out(row) for row in rows]

        return JSONResponse({"deliveries": await asyncio.to_thread(found)})

    @app.post(
        "/v1/deliveries/{delivery}/retry",
        status_code=202,
        **described(
            _TAG,
            "Send a dead delivery again; for the role admin",
            answers(objects("Delivery"), "It is waiting", status=202),
        ),
    )
    async def retry(delivery: int, request: Request) -> Response:
        caller = caller_of(request)
        caller.needs("admin")

        def revived() -> dict[str, object] | None:
            with state.kept.database.writing() as session:
                if 0 < delivery <= _LARGEST and superseded(session, delivery):
                    words = "something later of this recording has been sent there"
                    raise ProblemError(Problem(409, "delivery-superseded", words))
                if not (0 < delivery <= _LARGEST and revive(session, delivery)):
                    return None
                write_audit(session, Event(caller.name, "delivery.retried", "ok", str(delivery)))
                row = session.get(Delivery, delivery)
                return None if row is None else delivery_out(row)

        found = await asyncio.to_thread(revived)
        if found is None:
            words = "there is no dead delivery of this number"
            raise ProblemError(Problem(404, "delivery-not-found", words))
        if state.wires is not None:
            state.wires.outbox.wake()
        return JSONResponse(found, 202)
