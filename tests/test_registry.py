"""Open registries: names, duplicates, lazy loading, entry points of installed packages."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ecgfoundry.errors import PreprocessingError
from ecgfoundry.registry import Registry


def numbers(**options: object) -> Registry[int]:
    return Registry("number", error=PreprocessingError, **options)  # type: ignore[arg-type]


def install(folder: Path, package: str, group: str, points: dict[str, str], source: str) -> None:
    """Lay out an installed package as pip leaves it: a module and its metadata."""
    (folder / f"{package}.py").write_text(source, encoding="utf-8")
    info = folder / f"{package}-1.5.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.5\n")
    lines = "".join(f"{name} = {value}\n" for name, value in points.items())
    (info / "entry_points.txt").write_text(f"[{group}]\n{lines}")


def test_a_name_gives_what_was_added_under_it_in_order() -> None:
    registry = numbers()
    registry.add(2, "two")
    registry.add(1, "one")
    assert registry["one"] == 1
    assert list(registry) == ["two", "one"]
    assert registry.items() == (("two", 2), ("one", 1))
    assert registry.values() == (2, 1)
    assert "two" in registry and "three" not in registry and len(registry) == 2


def test_the_decorator_leaves_what_it_registers_as_it_is() -> None:
    registry: Registry[type] = Registry("kind", error=PreprocessingError)

    @registry.register("one")
    class One:
        pass

    assert registry["one"] is One
    assert One.__name__ == "One"
    assert registry.origin("one") == __name__


def test_an_unknown_name_says_what_was_meant_and_what_exists() -> None:
    registry = numbers()
    registry.add(1, "single-lead")
    registry.add(2, "paper")
    with pytest.raises(PreprocessingError) as caught:
        registry["single-led"]
    assert str(caught.value) == (
        "there is no number 'single-led'. Did you mean 'single-lead'? Known are: single-lead, paper"
    )
    with pytest.raises(PreprocessingError, match="Known are: none"):
        numbers()["x"]


def test_a_duplicate_names_both_origins_and_the_first_one_stays() -> None:
    registry = numbers()
    registry.add(1, "one", origin="package a")
    with pytest.raises(PreprocessingError, match="'one': from package a and from package b"):
        registry.add(2, "one", origin="package b")
    assert registry["one"] == 1


def test_a_lazy_thing_is_imported_when_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lazy_number_module.py").write_text("VALUE = 7\n")
    monkeypatch.syspath_prepend(tmp_path)
    registry = numbers()
    registry.add_lazy("seven", "lazy_number_module:VALUE")
    registry.add_lazy("nowhere", "no_such_module_at_all:VALUE")
    assert "seven" in registry
    assert "lazy_number_module" not in sys.modules
    assert registry["seven"] == 7
    with pytest.raises(PreprocessingError, match="'nowhere' of no_such_module_at_all cannot be"):
        registry["nowhere"]


def test_what_is_converted_has_its_own_name() -> None:
    registry: Registry[str] = Registry(
        "word", error=PreprocessingError, convert=str.upper, name_of=lambda word: word[0]
    )
    assert registry.add("abc") == "ABC"
    assert registry["A"] == "ABC"
    with pytest.raises(TypeError, match="with its name"):
        numbers().add(1)


def test_builtin_things_come_first_and_are_made_once() -> None:
    calls = []

    def builtin(registry: Registry[int]) -> None:
        calls.append(1)
        registry.add(1, "one")

    registry = numbers(builtin=builtin)
    assert calls == []
    registry.add(2, "two")
    assert list(registry) == ["one", "two"]
    assert len(registry) == 2 and calls == [1]


def test_a_thing_is_there_for_the_length_of_a_block() -> None:
    registry = numbers()
    with pytest.raises(ZeroDivisionError), registry.temporarily(1, "one") as value:
        assert value == 1 and registry["one"] == 1
        raise ZeroDivisionError
    assert "one" not in registry


def test_installed_packages_add_theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(
        tmp_path, "numberpack", "test.numbers",
        {"four": "numberpack:FOUR", "broken": "numberpack:NONE"}, "FOUR = 4\n",
    )  # fmt: skip
    monkeypatch.syspath_prepend(tmp_path)
    registry = numbers(group="test.numbers")
    assert list(registry) == ["broken", "four"]
    assert "numberpack" not in sys.modules
    assert registry["four"] == 4
    assert registry.origin("four") == "numberpack 1.5"
    with pytest.raises(PreprocessingError, match=r"'broken' of numberpack 1\.5 cannot be loaded"):
        registry["broken"]


def test_two_packages_with_one_name_are_refused_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("firstpack", "otherpack"):
        install(tmp_path, package, "test.twice", {"x": f"{package}:X"}, "X = 4\n")
    monkeypatch.syspath_prepend(tmp_path)
    registry = numbers(group="test.twice")
    for _ in range(2):
        with pytest.raises(PreprocessingError, match=r"firstpack 1\.5 and from otherpack 1\.5"):
            registry["x"]
