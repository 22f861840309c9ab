"""Which changes are made: chosen operators of cosmic-ray, and four of our own.

cosmic-ray replaces an operator by every other one. Most of these changes raise a ``TypeError`` as
soon as the line runs and would only flatter the share that is noticed. Kept are the changes that
a person could make by mistake: one step over a limit, the opposite sign, the inverse operation.
cosmic-ray changes a number by one, which says little about a limit of 0.60: decimal fractions are
changed by a quarter instead. Tables of names are changed by exchanging two neighbours.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import cosmic_ray.plugins
from cosmic_ray.operators.operator import Example, Operator
from parso.python.tree import Name, Number, String
from parso.tree import NodeOrLeaf

FACTORS = (1.25, 0.8)
"""Decimal fractions are multiplied by these: a limit that drifted, not one that vanished."""

SMALLEST = 1e-6
"""Fractions nearer to zero guard a division; a quarter more or less changes nothing."""

_BINARY = {
    "Add": "Sub", "Sub": "Add", "Mul": "Div", "Div": "Mul", "FloorDiv": "Div", "Mod": "FloorDiv",
    "Pow": "Mul", "RShift": "LShift", "LShift": "RShift", "BitOr": "BitAnd", "BitAnd": "BitOr",
    "BitXor": "BitAnd",
}  # fmt: skip
_COMPARISONS = {
    "Lt": ("LtE", "GtE"), "LtE": ("Lt", "Gt"), "Gt": ("GtE", "LtE"), "GtE": ("Gt", "Lt"),
    "Eq": ("NotEq",), "NotEq": ("Eq",), "Is": ("IsNot",), "IsNot": ("Is",),
}  # fmt: skip
_OTHERS = (
    "ReplaceUnaryOperator_Delete_USub",
    "ReplaceUnaryOperator_Delete_Invert",
    "ReplaceUnaryOperator_Delete_Not",
    "AddNot",
    "ReplaceTrueWithFalse",
    "ReplaceFalseWithTrue",
    "ReplaceAndWithOr",
    "ReplaceOrWithAnd",
    "ReplaceBreakWithContinue",
    "ReplaceContinueWithBreak",
    "ExceptionReplacer",
    "NumberReplacer",
    "ZeroIterationForLoop",
)

_EXCHANGED = {
    "min": "max", "minimum": "maximum", "nanmin": "nanmax", "argmin": "argmax", "amin": "amax",
    "any": "all", "floor": "ceil", "median": "mean", "nanmedian": "nanmean", "sin": "cos",
    "zeros": "ones", "startswith": "endswith", "lower": "upper",
}  # fmt: skip
_EXCHANGED |= {new: old for old, new in _EXCHANGED.items()}
_EXCHANGED["mean"] = "max"  # 'median' is no method of an array


def is_left_out(name: str, node: NodeOrLeaf) -> bool:
    """Whether an operator is not used at a place where it could be.

    ``AddNot`` of a single comparison is its opposite, and of ``not x`` is ``x``: other operators
    make the same change. A decimal fraction belongs to ``ScaleNumber``. The ``*`` that ends the
    positional parameters is no product.
    """
    if name.startswith("core/ReplaceBinaryOperator"):
        return node.parent.type in ("parameters", "param", "lambdef")
    if name == "core/NumberReplacer":
        return is_fraction(node)
    if name == "core/AddNot":
        condition = node.children[2 if node.type == "test" else 1]
        return condition.type in ("comparison", "not_test")
    return False


def is_fraction(node: NodeOrLeaf) -> bool:
    """Whether a node is a decimal fraction that ``ScaleNumber`` changes."""
    return (
        isinstance(node, Number)
        and not node.value.lower().startswith(("0x", "0b", "0o"))
        and any(mark in node.value.lower() for mark in (".", "e"))
        and not node.value.lower().endswith("j")
        and SMALLEST <= float(node.value) < math.inf
    )


class ScaleNumber(Operator):
    """Multiply a decimal fraction by 1.25 or 0.8."""

    def mutation_positions(self, node: NodeOrLeaf) -> Iterator[tuple[Any, Any]]:
        """Yield the place of a fraction once per factor."""
        if is_fraction(node):
            for _ in FACTORS:
                yield node.start_pos, node.end_pos

    def mutate(self, node: Number, index: int) -> Number:
        """Return the changed number."""
        node.value = repr(float(f"{float(node.value) * FACTORS[index]:.6g}"))
        return node

    @classmethod
    def examples(cls) -> Sequence[Example]:
        """Return what cosmic-ray checks operators with."""
        return Example("x = 0.6", "x = 0.75"), Example("x = 0.6", "x = 0.48", occurrence=1)


class ExchangeStrings(Operator):
    """Exchange two neighbouring strings of a list, a tuple or the values of a dictionary."""

    def mutation_positions(self, node: NodeOrLeaf) -> Iterator[tuple[Any, Any]]:
        """Yield the place of every pair of neighbours that differ."""
        for first, second in self._pairs(node):
            yield first.start_pos, second.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        """Return the node with one pair exchanged."""
        first, second = list(self._pairs(node))[index]
        first.value, second.value = second.value, first.value
        return node

    @staticmethod
    def _pairs(node: Any) -> list[tuple[String, String]]:
        if node.type == "dictorsetmaker":
            values = [
                node.children[place + 1]
                for place, child in enumerate(node.children[:-1])
                if getattr(child, "value", None) == ":"
            ]
        elif node.type in ("testlist_comp", "testlist_star_expr", "testlist"):
            values = [child for child in node.children if getattr(child, "value", None) != ","]
        else:
            return []
        if _is_searched(node.parent):
            return []
        return [
            (one, two)
            for one, two in itertools.pairwise(values)
            if isinstance(one, String) and isinstance(two, String) and one.value != two.value
        ]

    @classmethod
    def examples(cls) -> Sequence[Example]:
        """Return what cosmic-ray checks operators with."""
        return (
            Example('x = ("I", "II", "III")', 'x = ("I", "III", "II")', occurrence=1),
            Example('x = {1: "a", 2: "b"}', 'x = {1: "b", 2: "a"}'),
        )


class ExchangeWords(Operator):
    """Exchange two neighbouring words of ``"I II III".split()``."""

    def mutation_positions(self, node: NodeOrLeaf) -> Iterator[tuple[Any, Any]]:
        """Yield the place of the text once per pair of words."""
        for _ in self._words(node)[1:]:
            yield node.start_pos, node.end_pos

    def mutate(self, node: String, index: int) -> String:
        """Return the text with one pair exchanged."""
        words = self._words(node)
        words[index], words[index + 1] = words[index + 1], words[index]
        quote = node.value[0]
        node.value = quote + " ".join(words) + quote
        return node

    @staticmethod
    def _words(node: Any) -> list[str]:
        if not isinstance(node, String) or node.value[0] not in "'\"" or '"""' in node.value:
            return []
        following = node.get_next_sibling()
        if following is None or following.get_code(include_prefix=False) != ".split":
            return []
        return node.value[1:-1].split()

    @classmethod
    def examples(cls) -> Sequence[Example]:
        """Return what cosmic-ray checks operators with."""
        return (Example('x = "I II".split()', 'x = "II I".split()'),)


class ExchangeFunction(Operator):
    """Call the sibling of a function: ``max`` for ``min``, ``mean`` for ``median``."""

    def mutation_positions(self, node: NodeOrLeaf) -> Iterator[tuple[Any, Any]]:
        """Yield the place of the name of a called function."""
        if isinstance(node, Name) and node.value in _EXCHANGED and _is_called(node):
            yield node.start_pos, node.end_pos

    def mutate(self, node: Name, index: int) -> Name:
        """Return the other name."""
        node.value = _EXCHANGED[node.value]
        return node

    @classmethod
    def examples(cls) -> Sequence[Example]:
        """Return what cosmic-ray checks operators with."""
        return Example("min(x)", "max(x)"), Example("np.median(x)", "np.mean(x)")


def _is_searched(display: Any) -> bool:
    """Whether a display stands right of ``in``, where the order means nothing."""
    before = display.get_previous_leaf()
    return before is not None and before.value == "in" and display.parent.type == "comparison"


def _is_called(node: Name) -> bool:
    following = node.get_next_leaf()
    before = node.get_previous_leaf()
    defined = before is not None and before.value in ("def", "class", "import")
    return following is not None and following.value == "(" and not defined


_OURS = {
    operator.__name__: operator
    for operator in (ScaleNumber, ExchangeStrings, ExchangeWords, ExchangeFunction)
}
PROVIDER = "ecgfoundry"
cosmic_ray.plugins.OPERATOR_PROVIDERS[PROVIDER] = _OURS


def names() -> tuple[str, ...]:
    """Return the names of all operators that are used, as cosmic-ray writes them."""
    core = [f"ReplaceBinaryOperator_{old}_{new}" for old, new in _BINARY.items()]
    core += [
        f"ReplaceComparisonOperator_{old}_{new}"
        for old, replacements in _COMPARISONS.items()
        for new in replacements
    ]
    core += _OTHERS
    return (*(f"core/{name}" for name in core), *(f"{PROVIDER}/{name}" for name in _OURS))


def get(name: str, arguments: Mapping[str, Any] | None = None) -> Operator:
    """Return the operator of a name."""
    return cosmic_ray.plugins.get_operator(name)(**(arguments or {}))
