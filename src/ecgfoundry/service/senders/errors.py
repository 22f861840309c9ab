"""Why a document was not taken, and whether it is worth trying again."""

from __future__ import annotations

from functools import partial

from ecgfoundry.errors import EcgFoundryError

__all__ = ["DeliveryError"]


class DeliveryError(EcgFoundryError):
    """A destination did not take a document.

    Parameters
    ----------
    problem : str
    permanent : bool
        The destination has read it and will never take it: it is not sent again by itself.
    """

    code = "delivery"

    def __init__(self, problem: str, *, permanent: bool = False) -> None:
        super().__init__(problem)
        self.permanent = permanent

    def __reduce__(self) -> tuple[object, ...]:
        return partial(DeliveryError, permanent=self.permanent), (self.problem,)
