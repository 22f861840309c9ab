"""The parts of a network, from its input to its classifier, and which of them learn."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from ecgfoundry.errors import TrainingError

__all__ = ["classifier_of", "freeze_all_but", "training_stages"]


def classifier_of(network: nn.Module) -> nn.Linear:
    """Return the last linear layer: the one that ``reset_classifier`` replaces.

    Raises
    ------
    TrainingError
        The network has none.
    """
    classes = getattr(network, "config", {}).get("classes")
    found = [
        module
        for module in network.modules()
        if isinstance(module, nn.Linear) and module.out_features == classes
    ]
    if not found:
        raise TrainingError(f"{type(network).__name__} has no linear classifier")
    return found[-1]


def training_stages(network: nn.Module) -> list[tuple[str, nn.Module]]:
    """Return the parts of a network that hold parameters, from input to output, the classifier
    last.

    A ``stage_list`` (Net1D) is taken apart into its stages; otherwise the direct children count.
    """
    head = classifier_of(network)
    stages: OrderedDict[str, nn.Module] = OrderedDict()
    for name, child in network.named_children():
        if name.endswith("stage_list") or isinstance(child, nn.ModuleList):
            for number, part in enumerate(child):
                stages[f"{name}.{number}"] = part
        elif child is not head and any(True for _ in child.parameters()):
            stages[name] = child
    return [*stages.items(), ("classifier", head)]


def freeze_all_but(network: nn.Module, last: int) -> list[str]:
    """Let only the last ``last`` stages before the classifier, and the classifier, learn.

    Returns
    -------
    list of str
        Names of the parts that learn.

    Raises
    ------
    TrainingError
        ``last`` is negative or more than there are.
    """
    stages = training_stages(network)
    if not 0 <= last < len(stages):
        raise TrainingError(
            f"the network has {len(stages) - 1} stages before its classifier, not {last}",
            remedy=f"They are {', '.join(name for name, _ in stages[:-1])}",
        )
    learning = stages[len(stages) - 1 - last :]
    open_before = {id(p) for _, part in learning for p in part.parameters() if p.requires_grad}
    for parameter in network.parameters():
        parameter.requires_grad_(id(parameter) in open_before)
    return [name for name, _ in learning]
