"""Adds one thing of every kind to ecgfoundry."""

from __future__ import annotations

import json
from pathlib import Path

RECIPES = Path(__file__).with_name("recipes")

RECIPE_FILE = RECIPES / "plugin-linear@3.json"
RECIPE = json.loads((RECIPES / "plugin-polyphase@1.json").read_text(encoding="utf-8"))
