"""Run the tests of an area on the unchanged source: which test executes which line, how fast."""

from __future__ import annotations

import hashlib
import json
import queue
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.mutation.covering import Baseline
from tests.mutation.plan import Area, Plan
from tests.mutation.workplace import Workplace, WorkplaceError, share

FILE_LIMIT_S = 1800.0
"""Seconds that one test file may take, recorded."""


class BaselineError(Exception):
    """The tests cannot judge: they do not run on the unchanged source."""


def run_baseline(
    plan: Plan, area: Area, workplaces: list[Workplace], folder: Path, deadline: float
) -> tuple[Baseline, list[str]]:
    """Return the baseline of an area, and the test files for which there was no time.

    Parameters
    ----------
    plan : Plan
    area : Area
    workplaces : list of Workplace
        Each takes the next test file.
    folder : Path
        Keeps what each test file gave until it or the package changes.
    deadline : float
        Of ``time.monotonic``.

    Raises
    ------
    BaselineError
        No test passes, or none had time.
    """
    digests = digests_of_tests(plan, area)
    source = file_digest(p for p in sorted(plan.source.rglob("*")) if "__pycache__" not in p.parts)
    folder.mkdir(parents=True, exist_ok=True)
    found: dict[str, dict[str, Any]] = {}
    waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
    for file, own in digests.items():
        kept = _kept(_cache(folder, file), source + own)
        if kept is None:
            waiting.put(file)
        else:
            found[file] = kept
    errors: list[WorkplaceError] = []

    def work(workplace: Workplace) -> None:
        while not errors and time.monotonic() < deadline:
            try:
                file = waiting.get_nowait()
                answer = _record(plan, workplace, file, deadline)
            except queue.Empty:
                return
            except WorkplaceError as error:
                errors.append(error)
                return
            if answer is not None:
                answer["digest"] = source + digests[file]
                _cache(folder, file).write_text(json.dumps(answer), encoding="utf-8")
                found[file] = answer

    share(work, workplaces)
    if errors:
        raise errors[0]
    baseline = _joined([found[file] for file in area.tests if file in found])
    if not set(baseline.tests) - set(baseline.failing):
        said = "\n".join(entry["said"] for entry in found.values() if entry["said"])
        reason = "had the time to run" if len(found) < len(digests) else f"passes:\n{said}"
        raise BaselineError(f"no test of {area.name} {reason}")
    return baseline, [file for file in area.tests if file not in found]


def _record(plan: Plan, workplace: Workplace, file: str, deadline: float) -> dict[str, Any] | None:
    """Return what the tests of a file do; None where there was no time."""
    answer = workplace.run((file,), FILE_LIMIT_S, until=deadline, record=True)
    said = ""
    if not answer.get("tests"):
        if time.monotonic() >= deadline:
            return None
        said = workplace.log.read_text(encoding="utf-8", errors="replace")[-3000:]
    prefix = str((workplace.root / plan.package).resolve()) + "/"
    return {
        "tests": answer.get("tests", []),
        "seconds": answer.get("seconds_of_tests", []),
        "starters": answer.get("starters", []),
        "failures": answer.get("failures") or ([file] if said else []),
        "lines": {name.removeprefix(prefix): own for name, own in answer.get("lines", {}).items()},
        "said": said,
    }


def _joined(parts: list[dict[str, Any]]) -> Baseline:
    """Put together what the test files gave: places in ``tests`` are shifted."""
    joined = Baseline([], [], {}, set(), [])
    for part in parts:
        shift = len(joined.tests)
        joined.tests.extend(part["tests"])
        joined.seconds.extend(part["seconds"])
        joined.starters.update(shift + place for place in part["starters"])
        joined.failing.extend(sorted(set(part["failures"])))
        for module, lines in part["lines"].items():
            own = joined.lines.setdefault(module, {})
            for line, tests in lines.items():
                own.setdefault(int(line), []).extend(t if t < 0 else shift + t for t in tests)
    return joined


def _cache(folder: Path, file: str) -> Path:
    return folder / f"{Path(file).stem}-{hashlib.sha256(file.encode()).hexdigest()[:8]}.json"


def _kept(cache: Path, digest: str) -> dict[str, Any] | None:
    try:
        kept: dict[str, Any] = json.loads(cache.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return kept if kept.get("digest") == digest else None


def digests_of_tests(plan: Plan, area: Area) -> dict[str, str]:
    """Return a digest of each test file of an area, with the files that all tests may import."""
    own = plan.root / "tests" / "mutation"
    common = [
        path
        for path in sorted((plan.root / "tests").rglob("*.py"))
        if not path.name.startswith("test_") and own not in path.parents
    ]
    return {test: file_digest([plan.root / test, *common]) for test in area.tests}


def file_digest(files: Iterable[Path]) -> str:
    """Return a digest of the contents of files."""
    total = hashlib.sha256()
    for file in files:
        if file.is_file():
            total.update(hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()
