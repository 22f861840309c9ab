"""Run the harness: ``python -m tests.fuzz --files 20000 --out build/fuzz``; it resumes.

``python -m tests.fuzz --through-service --files 2000`` sends damaged files to a running service.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.fuzz.seeds import collect_seeds, save

REPOSITORY = Path(__file__).resolve().parents[2]
TIME_LIMIT_S = 10.0
FAILURES = ("untyped", "broken", "memory", "hang", "crash")
OUTCOMES = ("read", "refused", "net", *FAILURES)


class Worker:
    """A process that is started again when it died or was stopped."""

    def __init__(self, seeds: Path, folder: Path, seed: int) -> None:
        self._command = [sys.executable, "-m", "tests.fuzz.worker", str(seeds), str(folder),
                         str(seed)]  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None
        self._buffer = b""

    def run(self, number: int) -> dict[str, Any]:
        """Return the result of one number: the worker's, or "hang" or "crash"."""
        process = self._started()
        assert process.stdin is not None
        try:
            process.stdin.write(b"%d\n" % number)
            process.stdin.flush()
        except BrokenPipeError:
            self.stop()
            return {"number": number, "outcome": "crash", "detail": "died between two files"}
        # Start-up and copying do not count: the clock starts when the file is there.
        begun = self._line(time.monotonic() + 600)
        if begun is None:
            return {"number": number, **self._ended("before it began")}
        answer = self._line(time.monotonic() + TIME_LIMIT_S)
        if answer is None:
            begun.pop("begins", None)
            return {**begun, **self._ended(f"{TIME_LIMIT_S} s")}
        return answer

    def stop(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._process = None
        self._buffer = b""

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self._buffer = b""
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=REPOSITORY,
                env={**os.environ, "OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"},
            )
        return self._process

    def _line(self, deadline: float) -> dict[str, Any] | None:
        assert self._process is not None
        assert self._process.stdout is not None
        output = self._process.stdout.fileno()
        while b"\n" not in self._buffer:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([output], [], [], left)[0]:
                return None
            part = os.read(output, 65_536)
            if not part:  # it has died; its end may take a while
                self._process.wait()
                return None
            self._buffer += part
        line, self._buffer = self._buffer.split(b"\n", 1)
        found: dict[str, Any] = json.loads(line)
        return found

    def _ended(self, when: str) -> dict[str, Any]:
        assert self._process is not None
        code = self._process.poll()
        if code is None:
            self.stop()
            return {"outcome": "hang", "detail": f"no answer in {when}"}
        self.stop()
        return {"outcome": "crash", "detail": f"ended with {code}"}


def fuzz(
    files: int, out: Path, *, seed: int = 1, shared: Path | None = None, retry: bool = False
) -> list[dict]:
    """Damage and read ``files`` files; results are kept in ``out`` and taken up again.

    ``retry`` first tries again what failed before: the same damage, made anew from its number.

    Returns
    -------
    list of dict
        One per file: number, format, mutation, outcome, detail.
    """
    out.mkdir(parents=True, exist_ok=True)
    log = out / "results.jsonl"
    results = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    seeds = collect_seeds(REPOSITORY / "tests" / "fixtures", out / "seeds", shared)
    save(seeds, out / "seeds.json")
    with tempfile.TemporaryDirectory(prefix="ecgfoundry-fuzz-") as folder, log.open("a") as stream:
        place = Path(folder) / "files"
        worker = Worker(out / "seeds.json", place, seed)
        try:
            if retry:
                _retry(results, worker, log)
            for number in range(len(results), files):
                result = worker.run(number)
                results.append(result)
                stream.write(json.dumps(result) + "\n")
                stream.flush()
                if result["outcome"] in FAILURES:
                    _keep(place, out / "failures" / str(number))
        finally:
            worker.stop()
    return results


def _retry(results: list[dict], worker: Worker, log: Path) -> None:
    for place, result in enumerate(results):
        if result["outcome"] in FAILURES:
            results[place] = worker.run(int(result["number"]))
    log.write_text("".join(json.dumps(result) + "\n" for result in results))


def _keep(place: Path, target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(place, target)


def table(results: list[dict]) -> str:
    """Return the Markdown table: formats x outcomes."""
    counts: dict[str, Counter[str]] = {}
    for result in results:
        counts.setdefault(result.get("format", "?"), Counter())[result["outcome"]] += 1
    lines = ["| format | files | " + " | ".join(OUTCOMES) + " |",
             "| --- |" + " ---: |" * (len(OUTCOMES) + 1)]  # fmt: skip
    total: Counter[str] = Counter()
    for format in sorted(counts):
        total.update(counts[format])
        lines.append(_row(format, counts[format]))
    lines.append(_row("**all**", total))
    return "\n".join(lines)


def _row(name: str, counts: Counter[str]) -> str:
    cells = [str(counts[outcome]) for outcome in OUTCOMES]
    return f"| {name} | {sum(counts.values())} | {' | '.join(cells)} |"


def main() -> int:
    """Run from the command line; the exit code is 1 if anything failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--out", type=Path, default=REPOSITORY / "build" / "fuzz")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--retry", action="store_true", help="first try again what failed")
    parser.add_argument(
        "--through-service", action="store_true", help="send them to a running service"
    )
    parser.add_argument(
        "--bombs", action="store_true", help="send small files that announce gigabytes"
    )
    parser.add_argument("--first", type=int, default=0, help="number of the first file, with it")
    arguments = parser.parse_args()
    default = REPOSITORY.parent / "shared" / "data"
    folder = Path(os.environ.get("ECGFOUNDRY_SHARED_DATA", default))
    if arguments.bombs:
        from tests.fuzz.through_service import send_bombs

        rows = send_bombs(arguments.out / "bombs")
        print("| file | bytes | status | code | seconds | peak, MiB |")
        print("| --- | ---: | ---: | --- | ---: | ---: |")
        for row in rows:
            keys = ("name", "bytes", "status", "code", "seconds", "peak_mib")
            print("| " + " | ".join(str(row[key]) for key in keys) + " |")
        return 0 if all(row["good"] for row in rows) else 1
    if arguments.through_service:
        from tests.fuzz.through_service import fuzz_service

        outcome = fuzz_service(
            arguments.files,
            arguments.out / "service",
            seed=arguments.seed,
            shared=folder if folder.is_dir() else None,
            first=arguments.first,
        )
        print(outcome.report())
        for failure in outcome.failures[:20]:
            print(json.dumps(failure), file=sys.stderr)
        return 0 if outcome.good else 1
    results = fuzz(
        arguments.files,
        arguments.out,
        seed=arguments.seed,
        shared=folder if folder.is_dir() else None,
        retry=arguments.retry,
    )
    print(table(results))
    failed = [result for result in results if result["outcome"] in FAILURES]
    for result in failed[:20]:
        print(json.dumps(result), file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
