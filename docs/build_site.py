"""Build the documentation site into ``build/site``: ``make docs``. It needs no network.

The pages are those of this folder; the references of the command line and of the Python interface
are written anew from the program itself, and the notebooks as pages with what they show, into
``docs/reference``, which is in no repository.
"""

from __future__ import annotations

import html
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import ecgfoundry
from ecgfoundry.cli.main import app

_COMMANDS = """# The command line

The same word means the same in every command: `-o` output, `-m` model, `-q` nothing but answers and
errors, `-v` where an error was found, `--json`, `--csv`, `--config`, `-V` version. `sample:12-lead`
and `sample:single-lead` stand for files. `ecgfoundry completion bash` (zsh, fish) prints what the
shell needs to complete commands, options and choices.

- **JSON.** `--json` prints one object a line, with `schema_version`; `schemas/commands.schema.json`
  of the package describes those of every command, and the `error` that stands in their place.
- **Long jobs** show a bar with the time left after two seconds, on a terminal. Ctrl-C ends them
  with exit code 130, leaves whole files and prints the command that goes on.
- **Exit codes**: 0; 1, the input is wrong, or a recording has no answer because it cannot be read
  or is refused (`diagnose`, `infer`, `labs`, `watch --once`; the other recordings have theirs); 2,
  the command is wrong; 130, Ctrl-C.

"""
ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / "docs" / "reference"
NOTEBOOKS = ROOT / "docs" / "notebooks"

_API = """# The Python interface

How these go together is on [one page](../python.md). Arrays are float32 (leads, samples) in
millivolts unless it is said otherwise; every error is an `EcgFoundryError`.
"""
_ENTRY = """
## ecgfoundry.{name}

::: {module}.{attribute}
    options:
      show_root_heading: false
      show_root_toc_entry: false
      heading_level: 3
"""


def write_references() -> None:
    """Write the two pages that the program itself gives."""
    REFERENCE.mkdir(exist_ok=True)
    commands = app.generate_docs(output_format="markdown")
    (REFERENCE / "command-line.md").write_text(
        commands.replace("# ecgfoundry\n", _COMMANDS, 1), encoding="utf-8"
    )
    entries = [_API]
    for name in sorted(set(ecgfoundry.__all__) - {"__version__"}, key=str.lower):
        thing = getattr(ecgfoundry, name)
        entries.append(
            _ENTRY.format(name=name, module=thing.__module__, attribute=thing.__qualname__)
        )
    (REFERENCE / "python.md").write_text("".join(entries), encoding="utf-8")


def write_notebooks() -> None:
    """Write a page for each executed notebook: its words, its code and what the code shows."""
    for path in NOTEBOOKS.glob("*.ipynb"):
        parts = []
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            source = "".join(cell["source"])
            if cell["cell_type"] == "markdown":
                parts.append(source)
            else:
                parts.append(f"```python\n{source}\n```")
                parts.extend(_shown(output) for output in cell["outputs"])
        parts.append(f"The notebook: [{path.name}](../notebooks/{path.name}).")
        parts.append("<style>.shown{overflow-x:auto}.shown svg{max-width:100%;height:auto}</style>")
        page = REFERENCE / f"notebook-{path.stem}.md"
        page.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _shown(output: dict[str, Any]) -> str:
    """Return an output of a cell as a block of HTML, which no blank line may end."""
    data = output.get("data", {})
    rich = "".join(data.get("text/html") or data.get("image/svg+xml") or ())
    if not rich:
        plain = "".join(data.get("text/plain") or output.get("text", ()))
        rich = f"<pre>{html.escape(plain)}</pre>"
    return '<div class="shown">' + re.sub(r"\n\s*\n", "\n", rich.strip()) + "</div>"


def main() -> int:
    """Write the references and the notebooks, and build; a warning is an error."""
    write_references()
    write_notebooks()
    command = [str(Path(sys.executable).with_name("zensical")), "build", "--strict", "--clean"]
    return subprocess.run(command, cwd=ROOT, check=False).returncode  # noqa: S603


if __name__ == "__main__":
    sys.exit(main())
