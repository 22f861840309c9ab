"""The options that say what stands on the card of a trained model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from ecgfoundry.cli.vocabulary import JsonResult

if TYPE_CHECKING:
    from ecgfoundry.training.results.package import RunCard

__all__ = ["CardOptions", "RunOptions"]


@Parameter(name="*")
@dataclass(frozen=True)
class RunOptions:
    """What becomes of a run that is there, and how its end is told.

    Parameters
    ----------
    overwrite
        Train anew where OUTPUT holds another run; its results are deleted.
    """

    overwrite: Annotated[bool, Parameter(negative="")] = False
    json: JsonResult = False


@Parameter(name="*")
@dataclass(frozen=True)
class CardOptions:
    """What stands on the card.

    Parameters
    ----------
    name
        Of the bundle; the output folder's name without it.
    licence
        Of your data and the weights.
    """

    name: str | None = None
    licence: str = "the owner's"

    def of(self, recipe: str) -> RunCard:
        """Return the card of a run of this command."""
        from ecgfoundry.training.results.package import RunCard

        return RunCard(recipe=recipe, name=self.name, licence=self.licence)
