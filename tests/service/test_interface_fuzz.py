"""schemathesis against our own description: no request may be answered with a server error.

``ECGFOUNDRY_FUZZ_CASES`` sets how many cases are tried for each operation (default 8).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")

pytest.importorskip("fastapi", reason="the service needs the extra 'serve'")

from hypothesis import HealthCheck, given, settings  # noqa: E402
from schemathesis.checks import not_a_server_error  # noqa: E402
from tests.service.conftest import running  # noqa: E402


@schemathesis.serializer("multipart/related")
def related(context: Any, value: Any) -> bytes:
    """STOW-RS: what stands in it is fuzzed, and the boundary is missing."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


CASES = int(os.environ.get("ECGFOUNDRY_FUZZ_CASES", "8"))


@pytest.mark.slow
def test_no_request_is_a_server_error(tmp_path: Path) -> None:
    with running("--keep-folder", str(tmp_path / "kept")) as address:
        try_everything(address)


def try_everything(address: str) -> None:
    described = schemathesis.openapi.from_url(f"{address}/openapi.json")
    tried: dict[str, int] = {}
    for found in described.get_all_operations():
        operation = found.ok()

        @settings(
            max_examples=CASES,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            derandomize=True,
            database=None,
        )
        @given(case=operation.as_strategy())
        def run(case: schemathesis.Case) -> None:
            response = case.call(timeout=120)
            label = case.operation.label
            tried[label] = tried.get(label, 0) + 1
            assert "Traceback" not in response.text
            if response.status_code not in (501, 503):  # said on purpose, with problem details
                case.validate_response(response, checks=[not_a_server_error])

        run()
    print(f"{sum(tried.values())} cases for {len(tried)} operations")
    assert len(tried) >= 30
