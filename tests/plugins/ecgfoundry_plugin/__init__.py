"""Adds one thing of every kind to ecgfoundry."""

from __future__ import annotations

import json
from pathlib import Path

from ecgfoundry.criteria.registry import Criterion
from ecgfoundry.criteria.rules import Limit

RECIPES = Path(__file__).with_name("recipes")

RECIPE_FILE = RECIPES / "plugin-linear@3.json"
RECIPE = json.loads((RECIPES / "plugin-polyphase@1.json").read_text(encoding="utf-8"))

CRITERION = Criterion(
    "LONG T PEAK TO END", "qt", Limit("t_peak_end_ms", ">", 110.0, "the plugin of the tests")
)
