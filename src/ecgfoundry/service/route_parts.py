"""What the modules of routes share."""

from __future__ import annotations

from typing import Any

from fastapi import Request, Response
from pydantic import BaseModel

from ecgfoundry.service.query_params import parameters
from ecgfoundry.service.tokens import Caller

__all__ = ["caller_of", "described"]


def caller_of(request: Request) -> Caller:
    """Return who calls, as the gate has found."""
    caller: Caller = request.state.caller
    return caller


def described(
    tag: str,
    summary: str,
    responses: dict[int | str, Any],
    question: type[BaseModel] | None = None,
    *,
    body: dict[str, Any] | None = None,
    headers: tuple[dict[str, Any], ...] = (),
) -> dict[str, Any]:
    """What a route says of itself.

    Parameters
    ----------
    tag, summary : str
    responses : dict
    question : type, optional
        The parameters that it takes.
    body : dict, optional
        What its body is; :data:`~ecgfoundry.service.openapi.BODY` for a recording.
    headers : tuple of dict
        Parameters that stand in headers.
    """
    taken = dict(body or {})
    listed = [*headers] if question is None else [*parameters(question)["parameters"], *headers]
    if listed:
        taken["parameters"] = listed
    return {
        "tags": [tag],
        "summary": summary,
        "responses": responses,
        "response_class": Response,
        "openapi_extra": taken,
    }
