"""The two engines of the signal figures, for tests that have to hold for both."""

from __future__ import annotations

import pytest

from ecgfoundry import native


@pytest.fixture(params=["0", "base", "auto"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """NumPy and SciPy, the kernels for any processor, and the best ones."""
    monkeypatch.setenv(native.VARIABLE, request.param)
    if request.param != "0" and not native.status().available:
        pytest.skip(f"no compiled kernels: {native.status().reason}")
    return str(request.param)
