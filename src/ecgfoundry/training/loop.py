"""One loop for supervised training of any network.

The loop knows nothing of ECGs: it takes a network, a function that yields the batches of an
epoch, and a loss. Everything that decides the result is a function of the settings and the seed,
and a run that was interrupted continues to the same weights as one that was not.
"""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

Batch = tuple[Tensor, ...]
"""``(inputs, *targets)``: the loss is called as ``loss(network(inputs), *targets)``."""

SampleBatches = Callable[[int, np.random.Generator], Iterable[Batch]]
"""``sample_batches(epoch, generator)`` yields the batches of one epoch.

All randomness must come from ``generator``; only then is an interrupted run repeatable.
"""


@dataclass(frozen=True, kw_only=True)
class FitSettings:
    """What decides the course of a training run.

    Attributes
    ----------
    epochs : int
        Passes over the data.
    steps_per_epoch : int
        Batches in each epoch; the schedule is laid out over ``epochs * steps_per_epoch`` steps.
    learning_rate : float
        The peak rate of the schedule.
    schedule : {"one-cycle", "cosine", "constant"}
        See :func:`learning_rate_at`.
    warmup : float
        Share of all steps in which the rate rises.
    weight_decay : float
        Decoupled decay of AdamW; only on tensors of two or more axes (not on biases and norms).
    betas : tuple of float
        The two decay rates of AdamW's moments.
    gradient_clip : float or None
        Largest global L2 norm of the gradient.
    ema_decay : float or None
        Decay of the averaged weights, which are then the ones evaluated, selected and returned.
    seed : int
        Seeds the torch generator and, together with the epoch, the generator of the batches.
    threads : int or None
        Threads of torch on the CPU; None leaves the setting alone.
    evaluate_every : int
        Epochs between two evaluations; the last epoch is always evaluated.
    monitor : str or None
        Name of the evaluated figure that selects the weights; None keeps the last weights.
    monitor_mode : {"max", "min"}
        Whether a larger or a smaller figure is better.
    patience : int or None
        Evaluations without improvement after which training stops; None never stops early.
    checkpoint_every : int or None
        Steps between two checkpoints inside an epoch; one is always written after an epoch.
    """

    epochs: int
    steps_per_epoch: int
    learning_rate: float = 1e-3
    schedule: Literal["one-cycle", "cosine", "constant"] = "one-cycle"
    warmup: float = 0.2
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.999)
    gradient_clip: float | None = 1.0
    ema_decay: float | None = 0.999
    seed: int = 0
    threads: int | None = None
    evaluate_every: int = 1
    monitor: str | None = None
    monitor_mode: Literal["max", "min"] = "max"
    patience: int | None = None
    checkpoint_every: int | None = None

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.steps_per_epoch < 1:
            raise ValueError("epochs and steps_per_epoch must be at least 1")
        if not 0.0 <= self.warmup < 1.0:
            raise ValueError(f"warmup is a share of all steps in [0, 1), not {self.warmup}")


@dataclass(kw_only=True)
class FitResult:
    """What a run leaves behind.

    Attributes
    ----------
    state : dict of str to Tensor
        The selected weights and buffers (of the average, where one is kept), on the CPU.
    epoch : int
        The epoch, counted from 0, after which they were taken.
    figures : dict of str to float
        What ``evaluate`` said of them.
    curves : list of dict
        One row per finished epoch.
    """

    state: dict[str, Tensor]
    epoch: int
    figures: dict[str, float]
    curves: list[dict[str, Any]]


class WeightAverage:
    r"""An exponential moving average of a network's weights and buffers.

    With :math:`d_t = \min(d, (1 + t) / (10 + t))` at update :math:`t = 0, 1, ...` the average
    follows :math:`a \leftarrow d_t a + (1 - d_t) w`. The rising decay is that of TensorFlow's
    ``ExponentialMovingAverage(num_updates=...)``: it keeps the random initial weights from
    lingering in the average of a short run. Integer buffers are copied.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        if not 0.0 <= decay < 1.0:
            raise ValueError(f"the decay of a weight average lies in [0, 1), not {decay}")
        self.decay = decay
        self.updates = 0
        self.network = copy.deepcopy(network).eval().requires_grad_(False)

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Move the average towards the present weights of ``network``."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        source = network.state_dict()
        for name, average in self.network.state_dict().items():
            if average.is_floating_point():
                average.lerp_(source[name].to(average.dtype), 1.0 - decay)
            else:
                average.copy_(source[name])


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
        ``constant``: linear warm-up from 0, then the peak.
    """
    peak = settings.learning_rate
    rising = settings.warmup * total
    if step < rising:
        done = step / rising
        if settings.schedule == "one-cycle":
            return _cosine(peak / 25, peak, done)
        return peak * (step + 1) / (math.floor(rising) + 1)
    done = (step - rising) / max(total - rising, 1)
    if settings.schedule == "constant":
        return peak
    return _cosine(peak, peak / 25 / 1e4 if settings.schedule == "one-cycle" else 0.0, done)


def parameter_groups(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Part the parameters: weights, which decay, and biases and norms, which do not."""
    trainable = [p for p in network.parameters() if p.requires_grad]
    return [
        {"params": [p for p in trainable if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in trainable if p.ndim <= 1], "weight_decay": 0.0},
    ]


def epoch_generator(seed: int, epoch: int) -> np.random.Generator:
    """Make the generator of one epoch; it depends on nothing but the seed and the epoch."""
    return np.random.default_rng([seed, epoch])


def fit(
    network: nn.Module,
    sample_batches: SampleBatches,
    loss: Callable[..., Tensor],
    *,
    settings: FitSettings,
    evaluate: Callable[[nn.Module], dict[str, float]] | None = None,
    checkpoint: Path | None = None,
    curves: Path | None = None,
    device: str | torch.device = "cpu",
    report: Callable[[dict[str, Any]], None] | None = None,
) -> FitResult:
    """Train a network and return its selected weights.

    The network is changed in place and ends with the selected weights loaded.

    Parameters
    ----------
    network : nn.Module
        Any network; its initial weights are the caller's (seed before building it).
    sample_batches : callable
        ``sample_batches(epoch, generator)`` yields ``(inputs, *targets)``; at least
        ``settings.steps_per_epoch`` of them, of which no more are taken.
    loss : callable
        ``loss(outputs, *targets)`` gives a scalar tensor.
    settings : FitSettings
        See there.
    evaluate : callable, optional
        ``evaluate(network)`` of the network in evaluation mode gives named figures.
    checkpoint : Path, optional
        File that the run continues from if it is there, and that is kept up to date. A file that
        was written under other settings is refused.
    curves : Path, optional
        JSON Lines file, one row per epoch: epoch, loss, learning rate, seconds, figures.
    device : str or torch.device
        Where the network trains.
    report : callable, optional
        Called with each row of the curves as it is made.

    Returns
    -------
    FitResult
        Selected weights, their epoch and figures, and the curves.

    Raises
    ------
    FloatingPointError
        The loss is no longer finite.
    ValueError
        The checkpoint belongs to other settings, ``monitor`` is not among the figures, or an
        epoch has too few batches.
    """
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed)
    network.to(device)
    run = _Run(network, settings)
    if checkpoint is not None and checkpoint.exists():
        run.load(checkpoint)

    total = settings.epochs * settings.steps_per_epoch
    while run.epoch < settings.epochs and not run.stopped:
        started = time.monotonic()
        network.train()
        generator = epoch_generator(settings.seed, run.epoch)
        # Batches taken before an interruption are drawn again and thrown away, so that the
        # generator stands where it stood.
        batches = islice(
            sample_batches(run.epoch, generator), run.position, settings.steps_per_epoch
        )
        rate = 0.0
        for inputs, *targets in batches:
            step = run.epoch * settings.steps_per_epoch + run.position
            rate = learning_rate_at(step, total=total, settings=settings)
            value = loss(network(inputs.to(device)), *[t.to(device) for t in targets])
            run.step(value, rate)
            if (
                checkpoint is not None
                and settings.checkpoint_every
                and run.position % settings.checkpoint_every == 0
            ):
                run.save(checkpoint)
        if run.position < settings.steps_per_epoch:
            raise ValueError(
                f"epoch {run.epoch} gave {run.position} batches, steps_per_epoch asks for "
                f"{settings.steps_per_epoch}"
            )
        row: dict[str, Any] = {
            "epoch": run.epoch,
            "loss": run.loss_sum / run.position,
            "learning_rate": rate,
            "seconds": round(time.monotonic() - started, 3),
        }
        last = run.epoch + 1 == settings.epochs
        figures: dict[str, float] | None = None
        if evaluate is not None and (last or (run.epoch + 1) % settings.evaluate_every == 0):
            with torch.no_grad():
                evaluated = evaluate(run.selected_network().eval())
            figures = {name: float(value) for name, value in evaluated.items()}
            row["figures"] = figures
        run.end_epoch(row, figures)
        if checkpoint is not None:
            run.save(checkpoint)
        if curves is not None:
            _write_curves(curves, run.curves)
        if report is not None:
            report(row)

    network.load_state_dict(run.best_state)
    network.eval()
    return FitResult(
        state={name: tensor.cpu() for name, tensor in run.best_state.items()},
        epoch=run.best_epoch,
        figures=run.best_figures,
        curves=run.curves,
    )


@dataclass
class _Run:
    """Everything of a run that a checkpoint must hold."""

    network: nn.Module
    settings: FitSettings
    epoch: int = 0
    position: int = 0
    loss_sum: float = 0.0
    stopped: bool = False
    stale: int = 0
    best_epoch: int = -1
    best_state: dict[str, Tensor] = field(default_factory=dict)
    best_figures: dict[str, float] = field(default_factory=dict)
    curves: list[dict[str, Any]] = field(default_factory=list)

    _COUNTERS = ("epoch", "position", "loss_sum", "stopped", "stale", "best_epoch", "best_state",
                 "best_figures", "curves")  # fmt: skip

    def __post_init__(self) -> None:
        self.optimizer = torch.optim.AdamW(
            parameter_groups(self.network, self.settings.weight_decay),
            lr=self.settings.learning_rate,
            betas=self.settings.betas,
        )
        decay = self.settings.ema_decay
        self.average = None if decay is None else WeightAverage(self.network, decay)

    def selected_network(self) -> nn.Module:
        return self.network if self.average is None else self.average.network

    def step(self, value: Tensor, rate: float) -> None:
        if not torch.isfinite(value):
            raise FloatingPointError(
                f"the loss is {value.item()} in epoch {self.epoch}, step {self.position}: lower "
                "learning_rate or set gradient_clip"
            )
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        value.backward()
        if self.settings.gradient_clip is not None:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.gradient_clip)
        self.optimizer.step()
        if self.average is not None:
            self.average.update(self.network)
        self.loss_sum += value.item()
        self.position += 1

    def end_epoch(self, row: dict[str, Any], figures: dict[str, float] | None) -> None:
        self.curves.append(row)
        monitor = self.settings.monitor
        if monitor is None:
            self._select(figures or {})
        elif figures is not None:
            if monitor not in figures:
                raise ValueError(f"monitor {monitor!r} is not among {sorted(figures)}")
            sign = 1 if self.settings.monitor_mode == "max" else -1
            if not self.best_state or sign * (figures[monitor] - self.best_figures[monitor]) > 0:
                self._select(figures)
                self.stale = 0
            else:
                self.stale += 1
                self.stopped = (
                    self.settings.patience is not None and self.stale >= self.settings.patience
                )
        self.epoch += 1
        self.position = 0
        self.loss_sum = 0.0

    def _select(self, figures: dict[str, float]) -> None:
        state = self.selected_network().state_dict()
        self.best_state = {name: tensor.detach().clone() for name, tensor in state.items()}
        self.best_figures = dict(figures)
        self.best_epoch = self.epoch

    def save(self, path: Path) -> None:
        content = {
            "settings": _plain(self.settings),
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": None
            if self.average is None
            else {"state": self.average.network.state_dict(), "updates": self.average.updates},
            "torch_generator": torch.get_rng_state(),
            **{name: getattr(self, name) for name in self._COUNTERS},
        }
        if torch.cuda.is_available():
            content["cuda_generators"] = torch.cuda.get_rng_state_all()
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(path.name + ".partial")
        torch.save(content, temporary)
        temporary.replace(path)

    def load(self, path: Path) -> None:
        content = torch.load(path, map_location="cpu", weights_only=True)
        theirs, ours = content["settings"], _plain(self.settings)
        # How many threads compute, and how often a checkpoint is written, are free to change.
        free = {"threads", "checkpoint_every"}
        differing = sorted(
            name for name in ours if name not in free and theirs.get(name) != ours[name]
        )
        if differing:
            raise ValueError(
                f"{path}: written under other settings ({', '.join(differing)}); give another "
                "checkpoint path or delete the file"
            )
        self.network.load_state_dict(content["network"])
        self.optimizer.load_state_dict(content["optimizer"])
        if self.average is not None:
            self.average.network.load_state_dict(content["average"]["state"])
            self.average.updates = content["average"]["updates"]
        for name in self._COUNTERS:
            setattr(self, name, content[name])
        torch.set_rng_state(content["torch_generator"])
        if torch.cuda.is_available() and "cuda_generators" in content:
            torch.cuda.set_rng_state_all(content["cuda_generators"])


def _plain(settings: FitSettings) -> dict[str, Any]:
    return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(settings).items()}


def _cosine(start: float, end: float, done: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * min(done, 1.0))) / 2


def _write_curves(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".partial")
    temporary.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    temporary.replace(path)
