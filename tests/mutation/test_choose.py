"""What is changed, what is left alone, and how a sample is drawn and named."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutation import operators
from tests.mutation.choose import Mutant, draw, find_mutants
from tests.mutation.exclusions import excluded_spans

FILE = Path("limits.py")


def changes(source: str) -> list[str]:
    """Return the changes that are made to a source, in the order of the text."""
    return [m.change() for m in find_mutants(FILE, "limits.py", source) if m.mutated is not None]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("LIMIT = 0.6\n", ["LIMIT = 0.6 -> LIMIT = 0.75", "LIMIT = 0.6 -> LIMIT = 0.48"]),
        ("RATE = 500\n", ["RATE = 500 -> RATE = 501", "RATE = 500 -> RATE = 499"]),
        ("T = 1e-9\n", ["T = 1e-9 -> T = 1.000000001", "T = 1e-9 -> T = -0.999999999"]),
        ("ok = a > b\n", ["ok = a > b -> ok = a >= b", "ok = a > b -> ok = a <= b"]),
        ("y = a / b\n", ["y = a / b -> y = a * b"]),
        ("y = -a\n", ["y = -a -> y = a"]),
        ("a and not b\n", ["a and not b -> a or not b", "a and not b -> a and  b"]),
        ("y = max(a, b)\n", ["y = max(a, b) -> y = min(a, b)"]),
        ('N = ("I", "II")\n', ['N = ("I", "II") -> N = ("II", "I")']),
        ('N = {a: "mV", b: "uV"}\n', ['N = {a: "mV", b: "uV"} -> N = {a: "uV", b: "mV"}']),
        ('N = "V1 V2".split()\n', ['N = "V1 V2".split() -> N = "V2 V1".split()']),
        ("if a > b:\n    c()\n", ["if a > b: -> if a >= b:", "if a > b: -> if a <= b:"]),
        ("if a:\n    c()\n", ["if a: -> if not a:"]),
        ("while a:\n    break\n", ["while a: -> while not a:", "break -> continue"]),
        ("for a in b:\n    c(a)\n", ["for a in b: -> for a in []:"]),
    ],
)  # fmt: skip
def test_what_is_changed(source: str, expected: list[str]) -> None:
    assert changes(source) == expected


@pytest.mark.parametrize(
    "source",
    [
        '"""The limit is 0.6 + 1."""\n',
        "x: int | None\n",
        "def f(x: int | None) -> float | None: ...\n",
        "def f(a, *, b): ...\n",
        '__all__ = ["b", "a"]\n',
        "Place = Path | None\n",
        "if TYPE_CHECKING:\n    LIMIT = 0.6\n",
        'raise ValueError(f"{x - 1} of {n + 1}")\n',
        'logger.warning(f"{x - 1} left", a)\n',
        'warnings.warn(f"{x - 1} left")\n',
        "@dataclass(frozen=True, slots=True)\nclass A: ...\n",
        "@functools.lru_cache(maxsize=16)\ndef f(): ...\n",
        "y = list(zip(a, b, strict=True))\n",
        "y = isinstance(a, int | str)\n",
        'y = a in ("I", "II")\n',
        "y = f(*a, **b)\n",
    ],
)
def test_what_is_left_alone(source: str) -> None:
    assert changes(source) == []


def test_a_number_beside_a_left_out_part_is_changed() -> None:
    assert changes('raise ValueError("at least 1", 2)\n') == [
        'raise ValueError("at least 1", 2) -> raise ValueError("at least 1", 3)',
        'raise ValueError("at least 1", 2) -> raise ValueError("at least 1", 1)',
    ]


def test_columns_count_characters() -> None:
    (span,) = excluded_spans('def f(µ="µ", x: int | None = 5): ...\n')
    assert span == ((1, 16), (1, 26))


@pytest.mark.parametrize("name", sorted(operators._OURS))
def test_our_operators_do_what_their_examples_say(name: str) -> None:
    from cosmic_ray.mutating import MutationVisitor

    for example in operators._OURS[name].examples():
        operator = operators.get(f"ecgfoundry/{name}")
        code = MutationVisitor.mutate_code(example.pre_mutation_code, operator, example.occurrence)
        assert code == example.post_mutation_code


SOURCE = """LOW = 0.2
HIGH = 0.6


class Gate:
    def passes(self, value):
        return LOW < value and LOW < value < HIGH
"""


def _sample(source: str, size: int | None, seed: int = 1) -> list[Mutant]:
    return draw(find_mutants(FILE, "limits.py", source), size, seed)


def test_a_key_says_where_a_mutant_stands_without_line_numbers() -> None:
    found = [m.key for m in find_mutants(FILE, "limits.py", SOURCE) if "_Lt_LtE" in m.key.operator]
    line = "return LOW < value and LOW < value < HIGH"
    assert [(k.module, k.function, k.line, k.occurrence) for k in found] == [
        ("limits.py", "Gate.passes", line, place) for place in range(3)
    ]


def test_an_edit_elsewhere_keeps_keys_and_sample_but_not_outcomes() -> None:
    edited = "import math\n\n" + SOURCE
    before, after = _sample(SOURCE, 6), _sample(edited, 6)
    assert [m.key for m in before] == [m.key for m in after]
    assert [m.line + 2 for m in before] == [m.line for m in after]
    assert not {m.identity for m in before} & {m.identity for m in after}


def test_a_sample_is_seeded_and_grows_into_the_larger_one() -> None:
    everything = _sample(SOURCE, None)
    assert len(everything) == 11
    assert _sample(SOURCE, 5) == everything[:5]
    assert [m.key for m in _sample(SOURCE, 11, seed=2)] != [m.key for m in everything]
