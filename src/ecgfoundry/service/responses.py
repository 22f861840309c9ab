"""What every answer says to browsers, problems as answers, and the audit log."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping

from starlette.responses import Response

from ecgfoundry.service.problems import MEDIA_TYPE, Problem

__all__ = ["AUDIT", "HEADERS", "REPORT_POLICY", "problem_response"]

AUDIT = logging.getLogger("ecgfoundry.service.audit")
"""One line per request: who, what, result, time. Never a name, a file name or content."""

HEADERS: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; style-src 'self'; "
    "script-src 'self'; connect-src 'self'; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
}
REPORT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; "
    "frame-ancestors 'none'; sandbox allow-scripts"
)
"""For HTML reports, which carry their style and script inside; the sandbox keeps them apart from
the page's own origin."""


def problem_response(problem: Problem) -> Response:
    """Return the answer that a problem is."""
    return Response(
        json.dumps(problem.to_dict(), ensure_ascii=False),
        problem.status,
        headers=problem.headers(),
        media_type=MEDIA_TYPE,
    )
