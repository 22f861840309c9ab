"""Preprocessing: recipes as documents, the steps that they are made of, and the engines."""

from __future__ import annotations

from ecgfoundry.preprocessing.document import MINIMUM_WINDOW_S
from ecgfoundry.preprocessing.recipe import PREPROCESSINGS, Preprocessing, get_preprocessing
from ecgfoundry.preprocessing.standardization import (
    choose_single_lead,
    standardize,
    standardize_window,
    standardize_windows,
)

__all__ = [
    "MINIMUM_WINDOW_S",
    "PREPROCESSINGS",
    "Preprocessing",
    "choose_single_lead",
    "get_preprocessing",
    "standardize",
    "standardize_window",
    "standardize_windows",
]
