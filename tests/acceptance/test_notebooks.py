"""The notebooks run from the first cell to the last, and are shipped with what they show."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "docs" / "notebooks").glob("*.ipynb"))


def read_notebook(path: Path) -> Any:
    nbformat = pytest.importorskip("nbformat")
    return nbformat.read(path, 4)


def shown(notebook: Any) -> tuple[list[str], list[float]]:
    """Return the words and the numbers of all outputs, without the pictures."""
    texts = []
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            texts.append(data.get("text/html") or data.get("text/plain") or output.get("text", ""))
    text = re.sub(r"<(svg|style)\b.*?</\1>|<[^>]*>", " ", "\n".join(texts), flags=re.DOTALL)
    number = r"[-−]?\d+(?:\.\d+)?(?:e[-+]\d+)?"
    numbers = [float(one.replace("−", "-")) for one in re.findall(number, text)]
    return re.sub(number, "#", text).split(), numbers


def test_the_three_are_there() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["first-ecg", "holter", "own-model"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_they_are_executed_and_name_no_machine(path: Path) -> None:
    cells = [cell for cell in read_notebook(path).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert all(output.output_type != "error" for cell in cells for output in cell.outputs)
    text = path.read_text(encoding="utf-8")
    assert "/tmp/" not in text and "/home/" not in text
    assert path.stat().st_size < 500_000


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_they_run(path: Path, tmp_path: Path) -> None:
    pytest.importorskip("polars")
    if path.stem == "own-model":
        pytest.importorskip("torch")
    nbclient = pytest.importorskip("nbclient")
    notebook = read_notebook(path)
    nbclient.NotebookClient(
        notebook, timeout=900, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    ).execute()
    if path.stem != "own-model":  # what is trained differs from processor to processor
        words, numbers = shown(notebook)
        kept_words, kept_numbers = shown(read_notebook(path))
        assert words == kept_words, "run the notebook again and store it"
        assert numbers == pytest.approx(kept_numbers, rel=0.01, abs=0.011, nan_ok=True)
    if path.stem == "holter":  # what was put in is found
        printed = "".join(
            output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", ())
        )
        assert "55 of them premature and broad" in printed and "'V': 55}" in printed
