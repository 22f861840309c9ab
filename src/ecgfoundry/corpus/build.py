"""Building a corpus: deterministic, resumable, appendable, on any number of workers.

Killed anywhere and started again with the same input, a build ends with the same bytes: tasks are
cut by the input alone, a committed task is whole, and any other is made again.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from ecgfoundry._version import __version__
from ecgfoundry.corpus import layout
from ecgfoundry.corpus.build_plan import BuildOptions, Plan, make_plan
from ecgfoundry.corpus.tasks import TaskSpec, run_task
from ecgfoundry.documents import JsonValue
from ecgfoundry.engines import Engine, process_pool
from ecgfoundry.errors import CorpusError
from ecgfoundry.extras import require_polars
from ecgfoundry.locks import locked
from ecgfoundry.manifest import Manifest

__all__ = ["BuildOptions", "BuildResult", "build_corpus"]


@dataclass(frozen=True)
class BuildResult:
    """What a build did.

    Parameters
    ----------
    root : Path
    tasks : int
        Of this generation.
    made : int
        Tasks that this call carried out; the others were done before.
    document : dict
        The content of ``corpus.json``.
    """

    root: Path
    tasks: int
    made: int
    document: layout.CorpusDocument


def build_corpus(
    manifest: Manifest,
    output: str | Path,
    *,
    options: BuildOptions | None = None,
    workers: int = 1,
    engine: Engine | None = None,
    append: bool = False,
    provenance: Mapping[str, JsonValue] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> BuildResult:
    """Build a corpus, go on with one that was interrupted, or append to one.

    Parameters
    ----------
    manifest : Manifest
        The records. One patient in two splits is refused.
    output : str or Path
        Folder of the corpus.
    options : BuildOptions, optional
    workers : int
        Processes; changes the time and nothing else.
    engine : Engine, optional
        Who runs the tasks (:mod:`ecgfoundry.engines`); a process pool of ``workers`` by default.
    append : bool
        Add the records that the finished corpus does not have yet.
    provenance : mapping, optional
        Kept in ``corpus.json``: name of the data set, cohort flow, ``synthetic``.
    progress : callable (tasks done, tasks), optional

    Raises
    ------
    EngineError
        The engine lost its processes or machines; the same call again goes on.
    CorpusError
        Another build runs here; the input or the options differ from those that the unfinished
        corpus was begun with; the corpus is finished and ``append`` is not set.
    LeakageError, ManifestError
        The manifest contradicts itself.
    MissingExtraError
        The extra ``data`` is not installed.
    """
    require_polars("building a corpus")
    options = options or BuildOptions()
    manifest.check()
    root = Path(output)
    root.mkdir(parents=True, exist_ok=True)
    with _locked(root):
        work = _fresh_work(root)
        plan, rows = _plan(root, manifest, options, append)
        path = root / layout.PLANS / f"{plan.generation:03d}.json"
        document = plan.to_dict() | {"provenance": dict(provenance or {})}
        if not path.is_file():
            layout.publish(layout.json_bytes(document), path, work)
        specs = _specs(root, work, plan, rows)
        open_specs = [s for s in specs if layout.committed(root, s.number) is None]
        done = len(specs) - len(open_specs)
        run = engine or process_pool(workers)
        for commit in run(run_task, open_specs):
            if layout.committed(root, commit["task"]) is None:
                raise CorpusError(
                    f"the files of task {commit['task']} were written, and are not here",
                    path=root,
                    remedy="Build into a folder that all nodes share",
                )
            done += 1
            if progress is not None:
                progress(done, len(specs))
        content = _document(root)
        layout.publish(layout.json_bytes(content), root / layout.DOCUMENT, work)
        shutil.rmtree(root / layout.WORK, ignore_errors=True)
    return BuildResult(root, len(specs), len(open_specs), content)


def _locked(root: Path) -> AbstractContextManager[None]:
    refusal = CorpusError(
        "another build is running here", path=root, remedy="Wait for it, or stop it"
    )
    return locked(root / ".lock", refusal)


def _fresh_work(root: Path) -> Path:
    """Throw away what interrupted builds left; a worker that outlived one fails on its files."""
    shutil.rmtree(root / layout.WORK, ignore_errors=True)
    work = root / layout.WORK / f"{os.getpid()}"
    work.mkdir(parents=True, exist_ok=True)
    return work


def _plans(root: Path) -> list[layout.PlanDocument]:
    return [layout.read_plan(path) for path in sorted((root / layout.PLANS).glob("*.json"))]


def _finished_generations(root: Path) -> int:
    path = root / layout.DOCUMENT
    return len(layout.read_document(path)["generations"]) if path.is_file() else 0


def _plan(
    root: Path, manifest: Manifest, options: BuildOptions, append: bool
) -> tuple[Plan, Manifest]:
    """Find what is to be done: the open generation, the next one, or nothing again."""
    plans, finished = _plans(root), _finished_generations(root)
    if len(plans) > finished:
        earlier = plans[:finished]
        plan, rows = _generation(root, manifest, options, earlier)
        if plan.fingerprint != plans[-1]["fingerprint"]:
            raise CorpusError(
                "the records, their files or the options are not those that this unfinished "
                "corpus was begun with",
                path=root,
                remedy="Give the same input and options, or build into an empty folder",
            )
        return plan, rows
    if not plans:
        return _generation(root, manifest, options, [])
    again, rows = _generation(root, manifest, options, plans[:-1])
    if again.fingerprint == plans[-1]["fingerprint"]:
        return again, rows  # the same once more: whatever was damaged since is made again
    if not append:
        raise CorpusError(
            "there is a finished corpus here, made of another input",
            path=root,
            remedy="Set --append to add to it, or build into an empty folder",
        )
    return _generation(root, manifest, options, plans)


def _generation(
    root: Path, manifest: Manifest, options: BuildOptions, earlier: list[layout.PlanDocument]
) -> tuple[Plan, Manifest]:
    first_task = earlier[-1]["first_task"] + earlier[-1]["tasks"] if earlier else 0
    stored = _stored_records(root, first_task) if earlier else []
    if earlier:
        _check_splits(root, manifest, first_task)
    return make_plan(
        manifest, options, generation=len(earlier), first_task=first_task, stored=stored
    )


def _record_files(root: Path, tasks: int) -> list[Path]:
    return [root / layout.RECORDS / f"{layout.task_name(k)}.parquet" for k in range(tasks)]


def _stored_records(root: Path, tasks: int) -> list[str]:
    pl = require_polars("building a corpus")
    names: list[str] = []
    for path in _record_files(root, tasks):
        names += pl.read_parquet(path, columns=["record"])["record"].to_list()
    return names


def _check_splits(root: Path, manifest: Manifest, tasks: int) -> None:
    """Refuse to append a patient to another split than the one he or she is in."""
    pl = require_polars("building a corpus")
    from ecgfoundry.manifest.leakage import check_leakage

    new = pl.DataFrame(
        [(row.patient, row.split) for row in manifest.rows],
        schema={"patient": pl.String, "split": pl.String},
        orient="row",
    )
    parts = [pl.read_parquet(p, columns=["patient", "split"]) for p in _record_files(root, tasks)]
    check_leakage(pl.concat([new, *parts]).unique())


def _specs(root: Path, work: Path, plan: Plan, rows: Manifest) -> list[TaskSpec]:
    names = rows.target_names
    folder = rows.folder.absolute()  # a worker may stand in another folder
    return [
        TaskSpec(
            root=root.absolute(),
            work=work.absolute(),
            number=plan.first_task + k,
            manifest=Manifest(rows.rows[start:stop], folder),
            target_names=names,
            options=plan.options,
        )
        for k, (start, stop) in enumerate(plan.bounds)
    ]


def _document(root: Path) -> layout.CorpusDocument:
    """Sum up all commits; without times and local paths, so that equal input is equal bytes."""
    plans = _plans(root)
    tasks = plans[-1]["first_task"] + plans[-1]["tasks"]
    digest = hashlib.sha256()
    totals: Counter[str] = Counter()
    records: Counter[str] = Counter()
    size = 0
    for number in range(tasks):
        commit = layout.committed(root, number)
        if commit is None:
            raise CorpusError(f"the files of task {number} are not there", path=root)
        digest.update(layout.json_bytes(commit))
        totals.update(commit["totals"])
        records.update(commit["records"])
        size += sum(entry["bytes"] for entry in commit["files"].values())
    return {
        "format": "ecgfoundry-corpus",
        "schema_version": layout.SCHEMA_VERSION,
        "made_by": f"ecgfoundry {__version__}",
        "generations": plans,
        "tasks": tasks,
        "records": dict(records),
        "windows": dict(totals),
        "segments": totals["kept"],
        "bytes": size,
        "commits_sha256": digest.hexdigest(),
        "groups": _groups(root, tasks),
        "synthetic": any(plan["provenance"].get("synthetic", False) for plan in plans),
    }


def _groups(root: Path, tasks: int) -> dict[str, int]:
    """Segments per group, from the sizes of the shards."""
    from ecgfoundry.corpus.shards import shard_shape

    counts: Counter[str] = Counter()
    for number in range(tasks):
        commit = layout.committed(root, number)
        for name in _shards_of(commit["files"] if commit is not None else ()):
            counts[name.split("/")[1]] += shard_shape(root / name)[0]
    return dict(sorted(counts.items()))


def _shards_of(files: Iterable[str]) -> list[str]:
    return [name for name in files if name.startswith(f"{layout.SHARDS}/")]
