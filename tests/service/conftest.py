"""One running service for the tests of this folder, with real worker processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the service needs the extra 'serve'")

from starlette.testclient import TestClient

from ecgfoundry.service.api import create_app
from ecgfoundry.service.settings import ServiceSettings


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    settings = ServiceSettings(
        workers=1,
        keep_folder=tmp_path_factory.mktemp("kept"),
        keep_bytes=2_000_000,
        body_bytes=1_000_000,
        requests_per_minute=1_000_000,
    )
    with TestClient(create_app(settings), base_url="http://127.0.0.1:8765") as client:
        yield client


@pytest.fixture
def fixtures() -> Path:
    return Path(__file__).parents[1] / "fixtures"
