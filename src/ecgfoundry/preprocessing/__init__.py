"""Preprocessing: named, versioned recipes, and the engines that run them."""

from __future__ import annotations

from ecgfoundry.preprocessing.recipes import (
    MINIMUM_WINDOW_S,
    PREPROCESSINGS,
    Preprocessing,
    choose_single_lead,
    get_preprocessing,
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
