"""Fixtures for all tests; what needs data that are not here is skipped, with the reason."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

# A deadline measures the machine, not the code.
settings.register_profile("default", deadline=None)
settings.load_profile("default")

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of openly licensed data sets that is too large for the project."""
    folder = Path(os.environ.get("ECGFOUNDRY_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("the data sets are not here: set ECGFOUNDRY_SHARED_DATA to their folder")
    return folder


@pytest.fixture(scope="session")
def fixtures() -> Path:
    """Small files that are part of the project."""
    return REPOSITORY / "tests" / "fixtures"


@pytest.fixture
def random_generator() -> np.random.Generator:
    """A seeded generator."""
    return np.random.default_rng(20241101)
