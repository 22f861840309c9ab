"""From the logits of a recording's windows to what the model says, with NumPy alone."""

import json
from pathlib import Path

import numpy as np

MODEL = json.loads((Path(__file__).resolve().parent / "model.json").read_text(encoding="utf-8"))
NAMES = [target["name"] for target in MODEL["vocabulary"]["targets"]]


def answer(logits, level="record"):
    """Return target -> probability, or value in its unit for a regression.

    ``logits`` is (windows, targets) of one recording, or (targets,) of one window. ``level`` says
    how they are calibrated: "record" for the answer of a whole recording, "reduced_leads" for one
    that lacks leads, "window" for one window of a timeline, "short_window" for one of up to half
    the model's length, as a stream gives it.
    """
    values = np.atleast_2d(np.asarray(logits, dtype=np.float64)).mean(axis=0)
    if MODEL["target_kind"] == "regression":
        scale, offset = MODEL["regression"]["scale"], MODEL["regression"]["offset"]
        return dict(zip(NAMES, (values * scale + offset).tolist(), strict=True))
    calibration = MODEL["calibration"] or {}
    instead = "window" if level == "short_window" else "record"
    chosen = calibration.get(level) or calibration.get(instead)
    if chosen is not None:
        values = values * chosen["scale"] + chosen["offset"]
    if MODEL["target_kind"] == "multiclass":
        powers = np.exp(values - values.max())
        found = powers / powers.sum()
    else:
        found = 1.0 / (1.0 + np.exp(-np.clip(values, -700.0, 700.0)))
    return dict(zip(NAMES, found.tolist(), strict=True))


def present(probabilities):
    """Return target -> whether it is present: the largest class, or at or above its threshold.

    ``probabilities`` is what :func:`answer` gives; None where a target has no threshold, and where
    a more probable rhythm excludes it.
    """
    if MODEL["target_kind"] == "multiclass":
        top = max(probabilities, key=probabilities.get)
        return {name: name == top for name in NAMES}
    thresholds = (MODEL["thresholds"] or {"values": [None] * len(NAMES)})["values"]
    said = {
        name: None if limit is None else probabilities[name] >= limit
        for name, limit in zip(NAMES, thresholds, strict=True)
    }
    groups = [{NAMES[k] for k in group} for group in MODEL["exclusive_targets"]]
    made = set()
    for name in sorted(NAMES, key=probabilities.get, reverse=True):
        if said[name]:
            if any(name in group and made & group for group in groups):
                said[name] = None
            else:
                made.add(name)
    return said
