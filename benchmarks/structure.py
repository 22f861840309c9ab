"""The structure of the source in numbers, and what one ``diagnose`` opens and imports.

``python -m benchmarks.structure`` counts below ``src``: functions of ten or more parameters,
``dict[str, Any]`` and ``Mapping[str, Any]``, import circles between modules, and lines without
blank lines, comments and docstrings. Then it interprets the shipped 12-lead sample once, in a new
process, and counts how often its header is opened and how many modules of ecgfoundry are imported.
"""

from __future__ import annotations

import ast
import io
import subprocess
import sys
import tokenize
from collections.abc import Iterator, Mapping
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1] / "src"
MOST_PARAMETERS = 9

_DIAGNOSE = """
import sys
opened = []
sys.addaudithook(lambda name, found: opened.append(str(found[0])) if name == "open" else None)
from ecgfoundry.cli.main import app
from ecgfoundry.samples import sample_path
header = str(sample_path("12-lead"))
try:
    app(["diagnose", header], result_action="return_value")
except SystemExit:
    pass
own = [name for name in sys.modules if name.split(".")[0] == "ecgfoundry"]
print(f"\\n@ {sum(name == header for name in opened)} {len(own)}")
"""


def modules(root: Path = SOURCE) -> dict[str, ast.Module]:
    """Return the parsed modules below ``root`` by dotted name."""
    found = {}
    for path in sorted((root / "ecgfoundry").rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


def many_parameters(trees: Mapping[str, ast.Module]) -> list[str]:
    """Return the functions of more than :data:`MOST_PARAMETERS` parameters, ``self`` included."""
    found = []
    for module, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                given = node.args
                count = len(given.posonlyargs) + len(given.args) + len(given.kwonlyargs)
                if count > MOST_PARAMETERS:
                    found.append(f"{module}.{node.name} ({count})")
    return found


def imports(trees: Mapping[str, ast.Module]) -> dict[str, set[str]]:
    """Return module -> modules that it imports, in functions too, for type checkers alone not."""
    graph: dict[str, set[str]] = {}
    for module, tree in trees.items():
        graph[module] = set()
        for node in _executed(tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                for name in node.names:
                    whole = f"{node.module}.{name.name}"
                    graph[module].add(whole if whole in trees else node.module)
            elif isinstance(node, ast.Import):
                graph[module].update(name.name for name in node.names)
        graph[module] = {name for name in graph[module] if name in trees and name != module}
    return graph


def _executed(node: ast.AST) -> Iterator[ast.AST]:
    """Give the statements below a node; an expression holds none that imports."""
    waiting = [node]
    while waiting:
        for child in ast.iter_child_nodes(waiting.pop()):
            if isinstance(child, ast.expr):
                continue
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
                continue
            yield child
            waiting.append(child)


def circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Return the groups of modules that import each other, directly or through others."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    names = sorted(graph)
    place = {name: number for number, name in enumerate(names)}
    edges = [(place[name], place[other]) for name in names for other in graph[name]]
    if not edges:
        return []
    rows, columns = zip(*edges, strict=True)
    matrix = csr_array(([1] * len(edges), (rows, columns)), shape=(len(names), len(names)))
    _, group_of = connected_components(matrix, connection="strong")
    groups: dict[int, list[str]] = {}
    for name, group in zip(names, group_of.tolist(), strict=True):
        groups.setdefault(group, []).append(name)
    return sorted(group for group in groups.values() if len(group) > 1)


def net_lines(text: str) -> int:
    """Return the lines of code: without blank lines, comments and docstrings."""
    lines: set[int] = set()
    skipped = (
        tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT,
        tokenize.ENCODING, tokenize.ENDMARKER,
    )  # fmt: skip
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in skipped:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        value = node.value if isinstance(node, ast.Expr) else None
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            lines.difference_update(range(value.lineno, (value.end_lineno or value.lineno) + 1))
    return len(lines)


def one_diagnose() -> tuple[int, int]:
    """Return how often one ``diagnose`` opens the header, and modules of ours it imports."""
    done = subprocess.run(
        [sys.executable, "-c", _DIAGNOSE], capture_output=True, text=True, check=True
    )
    opened, own = done.stdout.rsplit("\n@ ", 1)[1].split()
    return int(opened), int(own)


def main() -> None:
    """Print the numbers."""
    trees = modules()
    texts = [path.read_text(encoding="utf-8") for path in (SOURCE / "ecgfoundry").rglob("*.py")]
    crowded, groups = many_parameters(trees), circles(imports(trees))
    loose = sum(text.count(f"{kind}[str, Any]") for text in texts for kind in ("dict", "Mapping"))
    opened, own = one_diagnose()
    print(f"modules: {len(trees)}")
    print(f"lines of code, without docstrings and comments: {sum(map(net_lines, texts))}")
    print(f"functions of ten or more parameters: {len(crowded)}")
    for name in crowded:
        print(f"  {name}")
    print(f"dict[str, Any] and Mapping[str, Any]: {loose}")
    print(f"import circles: {len(groups)}")
    for group in groups:
        print(f"  {', '.join(group)}")
    print(f"one diagnose: header opened {opened} time(s), {own} modules of ecgfoundry imported")


if __name__ == "__main__":
    main()
