"""One loop for supervised training of any network.

The loop knows nothing of ECGs: it takes a network, a function that yields the batches of an
epoch, and a loss. Everything that decides the result is a function of the settings and the seed,
and a run that was interrupted continues to the same weights as one that was not. Several processes
(``torchrun``) run the same loop on their parts of each batch.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ecgfoundry.errors import DivergenceError, TrainingError
from ecgfoundry.io import write_atomically, write_whole
from ecgfoundry.training.channels_last import fast_form
from ecgfoundry.training.distributed import ALONE, World
from ecgfoundry.training.fit_settings import FitSettings, check_same_settings, plain_settings
from ecgfoundry.training.optimization import WeightAverage, parameter_groups
from ecgfoundry.training.recomputing import recomputed
from ecgfoundry.training.schedules import learning_rate_at
from ecgfoundry.training.sharding import sharded_copy, shared_like, whole
from ecgfoundry.training.telling import EpochRow

__all__ = [
    "Batch",
    "FitResult",
    "SampleBatches",
    "deterministic_algorithms",
    "epoch_generator",
    "fit",
]

Batch = tuple[Any, ...]
"""``(inputs, *targets)``: the loss is called as ``loss(network(inputs), *targets)``. Inputs that
are a tuple of tensors are passed as ``network(*inputs)`` (signal and presence mask)."""

SampleBatches = Callable[[int, np.random.Generator], Iterable[Batch]]
"""``sample_batches(epoch, generator)`` yields the batches of one epoch.

All randomness must come from ``generator``; only then is an interrupted run repeatable. An object
that also has ``from_batch(epoch, first)`` yields from any batch on without making those before, and
``accumulate * steps_per_epoch`` batches make an epoch.
"""


EXPLODED = 100.0
"""A mean loss of an epoch so many times that of the first step (or 1) is a training that diverged
(our choice: a loss of the usual kinds stays within ten times)."""


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
    curves : list of EpochRow
        One row per finished epoch.
    """

    state: dict[str, Tensor]
    epoch: int
    figures: dict[str, float]
    curves: list[EpochRow]


def epoch_generator(seed: int, epoch: int) -> np.random.Generator:
    """Make the generator of one epoch; it depends on nothing but the seed and the epoch."""
    return np.random.default_rng([seed, epoch])


@contextmanager
def deterministic_algorithms(wanted: bool) -> Iterator[None]:
    """Within the block, only operations with a repeatable result; the setting is put back."""
    before = torch.are_deterministic_algorithms_enabled()
    if wanted:
        # cuBLAS reads this when its handle is made.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


def fit(
    network: nn.Module,
    sample_batches: SampleBatches,
    loss: Callable[..., Tensor],
    *,
    settings: FitSettings,
    evaluate: Callable[[nn.Module], dict[str, float]] | None = None,
    checkpoint: Path | None = None,
    curves: Path | None = None,
    report: Callable[[EpochRow], None] | None = None,
    world: World = ALONE,
) -> FitResult:
    """Train a network and return its selected weights.

    The network is changed in place and ends with the selected weights loaded.

    Parameters
    ----------
    network : nn.Module
        Any network; its initial weights are the caller's (seed before building it).
    sample_batches : callable
        See :data:`SampleBatches`; at least ``accumulate * steps_per_epoch`` batches, of which no
        more are taken. With several processes: those of this process.
    loss : callable
        ``loss(outputs, *targets)`` gives a scalar tensor.
    settings : FitSettings
        See there.
    evaluate : callable, optional
        ``evaluate(network)`` of the network in evaluation mode gives named figures; it runs on
        the first process only.
    checkpoint : Path, optional
        File that the run continues from if it is there, and that is kept up to date. A file that
        was written under other settings is refused.
    curves : Path, optional
        JSON Lines file, one row per epoch: epoch, loss, learning rate, seconds, figures.
    report : callable, optional
        Called with each row of the curves as it is made, on the first process.
    world : World
        The processes that train together, and where this one computes.

    Returns
    -------
    FitResult
        Selected weights, their epoch and figures, and the curves.

    Raises
    ------
    TrainingError
        The loss diverges (:class:`ecgfoundry.errors.DivergenceError`), the checkpoint belongs to
        other settings, ``monitor`` is not among the figures, or an epoch has too few batches.
    """
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    with deterministic_algorithms(settings.deterministic):
        torch.manual_seed(settings.seed + world.rank)
        own = sharded_copy(network, world) if settings.shard else network.to(world.device)
        run = _Run(own, network, settings, world)
        if checkpoint is not None and checkpoint.exists():
            run.load(checkpoint)
        computed = fast_form(own) if settings.channels_last else own
        if settings.compile:
            computed = torch.compile(computed)
        module = own if settings.shard else world.wrap(computed)
        trained = _Trained(module, loss, settings, world.device)
        with recomputed(own, settings.recompute):
            while run.epoch < settings.epochs and not run.stopped:
                _epoch(run, trained, sample_batches, evaluate, checkpoint, curves, report)
    network.to(world.device).load_state_dict(run.best_state)
    network.eval()
    return FitResult(
        state={name: tensor.cpu() for name, tensor in run.best_state.items()},
        epoch=run.best_epoch,
        figures=run.best_figures,
        curves=run.curves,
    )


def _epoch(
    run: _Run,
    trained: _Trained,
    sample_batches: SampleBatches,
    evaluate: Callable[[nn.Module], dict[str, float]] | None,
    checkpoint: Path | None,
    curves: Path | None,
    report: Callable[[EpochRow], None] | None,
) -> None:
    """Train from where the run stands to the end of its epoch, evaluate, and write."""
    settings, world = run.settings, run.world
    started = time.monotonic()
    run.network.train()
    trained.module.train()
    rate = 0.0
    total = settings.epochs * settings.steps_per_epoch
    for batches in _steps(sample_batches, run.epoch, run.position, settings):
        step = run.epoch * settings.steps_per_epoch + run.position
        rate = learning_rate_at(step, total=total, settings=settings) * run.rate_factor
        run.step([trained.losses(batch) for batch in trained.scheduled(batches)], rate)
        every = settings.checkpoint_every
        if checkpoint is not None and every and run.position % every == 0:
            run.save(checkpoint)
    if run.position < settings.steps_per_epoch:
        raise TrainingError(
            f"epoch {run.epoch} gave {run.position} steps, steps_per_epoch asks for "
            f"{settings.steps_per_epoch}"
        )
    run.refuse_explosion()
    row: EpochRow = {
        "epoch": run.epoch,
        "loss": run.loss_sum / run.position,
        "learning_rate": rate,
        "seconds": round(time.monotonic() - started, 3),
    }
    last = run.epoch + 1 == settings.epochs
    figures: dict[str, float] | None = None
    if evaluate is not None and (last or (run.epoch + 1) % settings.evaluate_every == 0):
        selected = run.selected_network()
        if world.first:
            with torch.no_grad():
                evaluated = evaluate(selected.eval())
            figures = {name: float(value) for name, value in evaluated.items()}
        figures = world.from_first(figures)
        row["figures"] = figures
    run.end_epoch(row, figures)
    if checkpoint is not None:
        run.save(checkpoint)
    if world.first:
        if curves is not None:
            _write_curves(curves, run.curves)
        if report is not None:
            report(row)


def _steps(
    sample_batches: SampleBatches, epoch: int, position: int, settings: FitSettings
) -> Iterator[list[Batch]]:
    """Yield the batches of each step of an epoch, from ``position`` on."""
    first = position * settings.accumulate
    if hasattr(sample_batches, "from_batch"):
        batches = iter(sample_batches.from_batch(epoch, first))
    else:
        # Batches taken before an interruption are drawn again and thrown away, so that the
        # generator stands where it stood.
        generator = epoch_generator(settings.seed, epoch)
        batches = islice(sample_batches(epoch, generator), first, None)
    for _ in range(position, settings.steps_per_epoch):
        batch = list(islice(batches, settings.accumulate))
        if len(batch) < settings.accumulate:
            return
        yield batch


@dataclass
class _Trained:
    """The network as it computes: wrapped, compiled, under autocast."""

    module: nn.Module
    loss: Callable[..., Tensor]
    settings: FitSettings
    device: str

    def losses(self, batch: Batch) -> Tensor:
        """Return the loss of one batch, with its gradients added to those of the step."""
        inputs, *targets = batch
        arguments = inputs if isinstance(inputs, tuple) else (inputs,)
        with self._precision():
            outputs = self.module(*[x.to(self.device) for x in arguments])
        value = self.loss(outputs.float(), *[t.to(self.device) for t in targets])
        # Also where the loss is not finite: other processes wait for these gradients. The step
        # then stops them all.
        (value / self.settings.accumulate).backward()
        return value.detach()

    def scheduled(self, batches: list[Batch]) -> Iterator[Batch]:
        """Yield the batches of a step; gradients are exchanged with the last one only."""
        for k, batch in enumerate(batches):
            silent: AbstractContextManager[Any] = nullcontext()
            if k + 1 < len(batches) and hasattr(self.module, "no_sync"):
                silent = self.module.no_sync()
            with silent:
                yield batch

    def _precision(self) -> AbstractContextManager[Any]:
        if self.settings.precision == "fp32":
            return nullcontext()
        kind = torch.device(self.device).type
        context: AbstractContextManager[Any] = torch.autocast(kind, dtype=torch.bfloat16)
        return context


@dataclass
class _Run:
    """Everything of a run that a checkpoint must hold.

    ``network`` is the one that learns; ``given`` the caller's, which is another one where the
    weights are shared between processes.
    """

    network: nn.Module
    given: nn.Module
    settings: FitSettings
    world: World = ALONE
    epoch: int = 0
    position: int = 0
    loss_sum: float = 0.0
    first_loss: float | None = None
    stopped: bool = False
    stale: int = 0
    rate_factor: float = 1.0
    rate_stale: int = 0
    best_epoch: int = -1
    best_state: dict[str, Tensor] = field(default_factory=dict)
    best_figures: dict[str, float] = field(default_factory=dict)
    curves: list[EpochRow] = field(default_factory=list)

    _COUNTERS = ("epoch", "position", "loss_sum", "first_loss", "stopped", "stale", "rate_factor",
                 "rate_stale", "best_epoch", "best_state", "best_figures", "curves")  # fmt: skip

    def __post_init__(self) -> None:
        self.optimizer = torch.optim.AdamW(
            parameter_groups(self.network, self.settings.weight_decay, self.settings.layer_decay),
            lr=self.settings.learning_rate,
            betas=self.settings.betas,
        )
        decay = self.settings.ema_decay
        self.average = None if decay is None else WeightAverage(self.network, decay)

    def selected_state(self) -> dict[str, Tensor]:
        """Return the weights that would be selected now, whole; all processes have to ask."""
        state = self.network.state_dict() if self.average is None else self.average.state
        return {name: whole(tensor.detach()) for name, tensor in state.items()}

    def selected_network(self) -> nn.Module:
        """Return a network with the weights that would be selected now."""
        if self.network is self.given:
            return self.network if self.average is None else self.average.network
        self.given.load_state_dict(self.selected_state())
        return self.given.to(self.world.device)

    def step(self, values: list[Tensor], rate: float) -> None:
        """Take one step with the gradients that stand; ``values`` are the losses behind them."""
        value = self.world.mean(torch.stack(values).mean())
        if not torch.isfinite(value):
            raise self._diverged(f"the loss is {value.item()} in step {self.position + 1}")
        if self.first_loss is None:
            self.first_loss = value.item()
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group.get("factor", 1.0)
        if self.settings.gradient_clip is not None:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.gradient_clip)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        if self.average is not None:
            self.average.update(self.network)
        self.loss_sum += value.item()
        self.position += 1

    def refuse_explosion(self) -> None:
        """Stop a run whose mean loss is far beyond that of the untrained network."""
        mean = self.loss_sum / self.position
        if mean > EXPLODED * max(self.first_loss or 0.0, 1.0):
            raise self._diverged(
                f"the mean loss is {mean:.3g}, at first it was {self.first_loss:.3g}"
            )

    def _diverged(self, what: str) -> DivergenceError:
        rate = self.settings.learning_rate
        return DivergenceError(
            f"{what} of epoch {self.epoch + 1}: the training diverged at a learning rate of "
            f"{rate:g}",
            remedy=f"Lower it, for example --learning-rate {rate / 10:g} with another --output or "
            "--overwrite",
        )

    def end_epoch(self, row: EpochRow, figures: dict[str, float] | None) -> None:
        self.curves.append(row)
        monitor = self.settings.monitor
        if monitor is None:
            self._select(figures or {})
        elif figures is not None:
            if monitor not in figures:
                raise TrainingError(f"monitor {monitor!r} is not among {sorted(figures)}")
            sign = 1 if self.settings.monitor_mode == "max" else -1
            if not self.best_state or sign * (figures[monitor] - self.best_figures[monitor]) > 0:
                self._select(figures)
                self.stale = self.rate_stale = 0
            else:
                self.stale += 1
                self.rate_stale += 1
                self.stopped = (
                    self.settings.patience is not None and self.stale >= self.settings.patience
                )
                if (
                    self.settings.schedule == "plateau"
                    and self.rate_stale > self.settings.plateau_patience
                ):
                    self.rate_factor *= self.settings.step_factor
                    self.rate_stale = 0
        self.epoch += 1
        self.position = 0
        self.loss_sum = 0.0

    def _select(self, figures: dict[str, float]) -> None:
        self.best_state = {name: t.clone() for name, t in self.selected_state().items()}
        self.best_figures = dict(figures)
        self.best_epoch = self.epoch

    def save(self, path: Path) -> None:
        generators = self.world.gather(torch.get_rng_state())
        content = {
            "settings": plain_settings(self.settings),
            "network": whole(self.network.state_dict()),
            "optimizer": whole(self.optimizer.state_dict()),
            "average": None
            if self.average is None
            else {"state": whole(self.average.state), "updates": self.average.updates},
            "torch_generators": generators,
            **{name: getattr(self, name) for name in self._COUNTERS},
        }
        if not self.world.first:
            return
        if torch.cuda.is_available():
            content["cuda_generators"] = torch.cuda.get_rng_state_all()
        path.parent.mkdir(parents=True, exist_ok=True)
        with write_atomically(path) as temporary, temporary.open("wb") as stream:
            torch.save(content, stream)

    def load(self, path: Path) -> None:
        content = torch.load(path, map_location="cpu", weights_only=True)
        check_same_settings(content["settings"], self.settings, path)
        own = self.network.state_dict()
        self.network.load_state_dict(
            {name: shared_like(tensor, own[name]) for name, tensor in content["network"].items()}
        )
        self._load_optimizer(content["optimizer"])
        if self.average is not None:
            for name, tensor in content["average"]["state"].items():
                own_average = self.average.state[name]
                own_average.copy_(shared_like(tensor, own_average))
            self.average.updates = content["average"]["updates"]
        for name in self._COUNTERS:
            if name in content:
                setattr(self, name, content[name])
        # Checkpoints of one process held one generator, without a list.
        generators = content.get("torch_generators") or [content["torch_generator"]]
        if len(generators) != self.world.size:
            raise TrainingError(
                f"written by {len(generators)} process(es), continued by {self.world.size}",
                path=path,
                remedy=f"Continue with {len(generators)} process(es)",
            )
        torch.set_rng_state(generators[self.world.rank])
        if torch.cuda.is_available() and "cuda_generators" in content:
            torch.cuda.set_rng_state_all(content["cuda_generators"])

    def _load_optimizer(self, state: dict[str, Any]) -> None:
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        moments = {
            number: {
                name: shared_like(value, parameters[number])
                if isinstance(value, Tensor) and value.shape == parameters[number].shape
                else value
                for name, value in own.items()
            }
            for number, own in state["state"].items()
        }
        self.optimizer.load_state_dict({**state, "state": moments})


def _write_curves(path: Path, rows: Sequence[EpochRow]) -> None:
    write_whole(path, "".join(json.dumps(row) + "\n" for row in rows).encode())
