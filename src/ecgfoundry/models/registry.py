"""The architectures: names to networks. PyTorch is imported when one is built."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ecgfoundry.documents import JsonObject, JsonValue
from ecgfoundry.errors import MissingExtraError, ModelNotFoundError
from ecgfoundry.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = [
    "ARCHITECTURES",
    "Architecture",
    "available_architectures",
    "create_model",
    "register_network",
]


@dataclass(frozen=True)
class Architecture:
    """A kind of network, with settings that have proved themselves.

    Parameters
    ----------
    name : str
    module, network : str
        Where its class stands, imported on first use. Every class has ``forward`` (logits),
        ``forward_features`` (embedding), ``reset_classifier`` and ``config``, the settings with
        which an equal network can be built. What is to learn without labels has
        ``forward_sequence`` too: the features over time, (batch, positions, features).
    description : str
    takes_presence : bool
        Whether ``forward`` takes the presence mask, float32 (batch, leads), as its second
        argument.
    example_shape : tuple (leads, samples)
        Of one window as the network is meant to be used.
    preprocessing : str
        Name of the recipe that a fresh network is trained with where no other is named; it makes
        windows of ``example_shape``.
    masks_padding : bool
        Whether zeros at the right end of a window change nothing, however many there are, so that
        a runtime may leave them out.
    made_by : type, optional
        The class itself, where it is at hand already.
    defaults : mapping
        Settings that differ from those of the class.
    pooling : str
        How several windows of one recording are joined where their logits are averaged: "mean", or
        "attention" (weights are the softmax of the last entry of each window's embedding).
    """

    name: str
    module: str
    network: str
    description: str
    takes_presence: bool
    example_shape: tuple[int, int]
    preprocessing: str = "ecgfounder-finetune@1"
    defaults: Mapping[str, JsonValue] = field(default_factory=dict, hash=False)
    pooling: str = "mean"
    masks_padding: bool = False
    made_by: type[nn.Module] | None = None

    def build(self, **configuration: Any) -> nn.Module:
        """Build the network, with the given settings instead of the default ones.

        Raises
        ------
        MissingExtraError
            PyTorch is not installed.
        ModelNotFoundError
            The architecture has no such setting.
        """
        network = self._class()
        known = [name for name in inspect.signature(network).parameters if name != "self"]
        unknown = sorted(set(configuration) - set(known))
        if unknown:
            raise ModelNotFoundError(
                f"the architecture '{self.name}' has no setting {', '.join(unknown)}",
                remedy=f"Its settings are: {', '.join(known)}",
            )
        built: nn.Module = network(**{**self.defaults, **configuration})
        return built

    def from_published(
        self, state: Mapping[str, Tensor]
    ) -> tuple[JsonObject, Mapping[str, Tensor]]:
        """Bring the tensors of others to the names of this network, and say its settings.

        The class does it where its authors' code has another layout: a class method
        ``published_layout(state)`` that returns both. Without one they are taken as they are.

        Raises
        ------
        CheckpointError
            They are of another network.
        """
        layout = getattr(self._class(), "published_layout", None)
        if layout is None:
            return {}, state
        settings, renamed = layout(state)
        return settings, renamed

    def _class(self) -> Any:
        try:
            return self.made_by or getattr(import_module(self.module), self.network)
        except ModuleNotFoundError as error:
            if error.name != "torch":
                raise
            raise MissingExtraError.for_extra("building a network", "torch") from None


def _net1d(name: str, description: str, leads: int = 12, **defaults: Any) -> Architecture:
    return Architecture(
        name=name,
        module="ecgfoundry.models.networks.net1d",
        network="Net1D",
        description=description,
        takes_presence=False,
        example_shape=(leads, 5000),
        defaults={"leads": leads, **defaults},
    )


def _s4(name: str, description: str, **defaults: Any) -> Architecture:
    return Architecture(
        name=name,
        module="ecgfoundry.models.networks.s4",
        network="S4Net",
        description=description,
        takes_presence=False,
        example_shape=(12, 1000),
        preprocessing="twelve-lead-100hz@1",
        defaults={"leads": 12, **defaults},
    )


_OWN = (
    _net1d("net1d", "Net1D of any width; as it stands, the released ECGFounder"),
    _net1d("net1d-12lead", "the released 12-lead ECGFounder: 30.8 M parameters"),
    _net1d("net1d-1lead", "the released one-lead ECGFounder: 30.8 M parameters", leads=1),
    # The widths of both smaller ones are named in the authors' code.
    _net1d(
        "net1d-small",
        "Net1D with half the width: 8.1 M parameters",
        widths=(32, 64, 64, 160, 160, 512, 512),
    ),
    _net1d(
        "net1d-tiny",
        "Net1D with a quarter of the width and two blocks a stage: 1.3 M parameters",
        widths=(16, 32, 32, 80, 80, 256, 256),
        blocks=(2, 2, 2, 2, 2, 2, 2),
    ),
    Architecture(
        name="net1d-attention",
        module="ecgfoundry.models.networks.segment_attention",
        network="SegmentAttentionNet",
        description="one-lead Net1D whose windows are joined over a visit by gated attention",
        takes_presence=False,
        example_shape=(1, 5000),
        pooling="attention",
    ),
    Architecture(
        name="rhythm-net",
        module="ecgfoundry.models.networks.rhythm",
        network="RhythmNet",
        description="rhythm from one lead of any length",
        takes_presence=False,
        example_shape=(1, 6000),
        preprocessing="single-lead-rhythm@1",
        masks_padding=True,
    ),
    _s4("s4", "state-space network of the published benchmark's size, inputs at 100 Hz"),
    _s4("s4-small", "state-space network with a quarter of the width", width=128),
    _s4(
        "s4-causal",
        "s4 that sees no future, as contrastive pretraining needs it",
        bidirectional=False,
    ),
    _s4("s4-small-causal", "s4-small that sees no future", width=128, bidirectional=False),
    Architecture(
        name="ecg-fm",
        module="ecgfoundry.models.networks.ecg_fm",
        network="EcgFm",
        description="the published ECG-FM: convolutions and a transformer, 90.4 M parameters",
        takes_presence=False,
        example_shape=(12, 2500),
        preprocessing="ecg-fm@1",
        defaults={"leads": 12},
    ),
    Architecture(
        name="ecg-cpc",
        module="ecgfoundry.models.networks.ecg_cpc",
        network="EcgCpc",
        description="the published ECG-CPC: convolutions and a causal state-space network",
        takes_presence=False,
        example_shape=(12, 2400),
        preprocessing="ecg-cpc@1",
        defaults={"leads": 12},
    ),
    Architecture(
        name="lead-subset-net",
        module="ecgfoundry.models.networks.lead_subset",
        network="LeadSubsetNet",
        description="multilabel classification from any subset of the twelve leads",
        takes_presence=True,
        example_shape=(12, 2500),
        preprocessing="ptbxl-bandpass@1",
    ),
)


def _add_own(registry: Registry[Architecture]) -> None:
    for architecture in _OWN:
        registry.add(architecture, origin="ecgfoundry")


ARCHITECTURES: Registry[Architecture] = Registry(
    "architecture",
    error=ModelNotFoundError,
    group="ecgfoundry.networks",
    builtin=_add_own,
    name_of=lambda architecture: architecture.name,
)
"""All architectures by name: those of this package, those that :func:`register_network` added, and
those of other packages, whose entry points in the group ``ecgfoundry.networks`` give an
:class:`Architecture`."""


def register_network(
    name: str,
    *,
    example_shape: tuple[int, int],
    preprocessing: str = "ecgfounder-finetune@1",
    description: str = "",
    takes_presence: bool = False,
    **defaults: Any,
) -> Callable[[type[nn.Module]], type[nn.Module]]:
    """Return a decorator that makes the class below it an architecture.

    The class has ``forward`` (logits), ``forward_features`` (embedding, called once by
    ``forward``), ``reset_classifier(classes)`` and ``config``, the settings with which an equal
    network can be built; one of its parameters is ``classes``, and one ``leads`` where it takes any
    number of them.

    Parameters
    ----------
    name, example_shape, preprocessing, description, takes_presence
        As of :class:`Architecture`.
    **defaults
        Settings that differ from those of the class.

    Examples
    --------
    >>> @register_network("my-net", example_shape=(12, 5000))        # doctest: +SKIP
    ... class MyNet(torch.nn.Module): ...
    """

    def decorate(network: type[nn.Module]) -> type[nn.Module]:
        architecture = Architecture(
            name=name,
            module=network.__module__,
            network=network.__qualname__,
            description=description or (network.__doc__ or name).strip().splitlines()[0],
            takes_presence=takes_presence,
            example_shape=example_shape,
            preprocessing=preprocessing,
            defaults=defaults,
            made_by=network,
        )
        ARCHITECTURES.add(architecture, origin=network.__module__)
        return network

    return decorate


def available_architectures() -> tuple[str, ...]:
    """Return the names of all architectures, in the order of the registry."""
    return tuple(ARCHITECTURES)


def create_model(name: str, **configuration: Any) -> nn.Module:
    """Build a network with fresh random weights.

    Parameters
    ----------
    name : str
        One of :func:`available_architectures`.
    **configuration
        Settings of the architecture (``classes=``, ``leads=``, ``widths=`` …).

    Raises
    ------
    ModelNotFoundError
        There is no such architecture, or it has no such setting.
    MissingExtraError
        PyTorch is not installed.

    Examples
    --------
    >>> network = create_model("net1d-tiny", classes=2, leads=1)  # doctest: +SKIP
    """
    return ARCHITECTURES[name].build(**configuration)
