"""Learning rates: a function of the step, and one that listens to the evaluation."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from ecgfoundry.training.fit_settings import FitSettings

__all__ = ["SCHEDULES", "Schedule", "learning_rate_at"]

Schedule = Literal["one-cycle", "cosine", "constant", "step", "plateau"]
SCHEDULES: tuple[str, ...] = ("one-cycle", "cosine", "constant", "step", "plateau")


def learning_rate_at(step: int, *, total: int, settings: FitSettings) -> float:
    """Give the learning rate of one step.

    Parameters
    ----------
    step : int
        Steps already taken.
    total : int
        Steps of the whole run.
    settings : FitSettings
        Peak rate, schedule and warm-up share.

    Returns
    -------
    float
        ``one-cycle``: cosine from 1/25 of the peak up to it and then down to 1/10,000 of the start
        (the two-phase form of Smith & Topin 2019, with the defaults of
        ``torch.optim.lr_scheduler.OneCycleLR``). ``cosine``: linear warm-up from 0, cosine to 0.
        ``constant``: linear warm-up from 0, then the peak. ``step``: linear warm-up, then the peak
        times ``step_factor`` for every ``step_epochs`` finished epochs (ECGFounder's pretraining:
        0.1 every 5, relayed from the paper). ``plateau``: the peak; the loop multiplies it
        by ``step_factor`` whenever the evaluation has not improved for ``plateau_patience``
        evaluations (ECGFounder's fine-tuning: 0.1 after 10).
    """
    peak = settings.learning_rate
    rising = settings.warmup * total
    if step < rising:
        done = step / rising
        if settings.schedule == "one-cycle":
            return _cosine(peak / 25, peak, done)
        return peak * (step + 1) / (math.floor(rising) + 1)
    done = (step - rising) / max(total - rising, 1)
    if settings.schedule == "step":
        epoch = step // settings.steps_per_epoch
        return peak * settings.step_factor ** (epoch // settings.step_epochs)
    if settings.schedule in ("constant", "plateau"):
        return peak
    return _cosine(peak, peak / 25 / 1e4 if settings.schedule == "one-cycle" else 0.0, done)


def _cosine(start: float, end: float, done: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * min(done, 1.0))) / 2
