"""``ecgfoundry corpus``: build, verify, look at and copy corpora."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from ecgfoundry.cli.engine_options import EngineOptions
from ecgfoundry.cli.saying import note, print_json, progress
from ecgfoundry.cli.vocabulary import Json, JsonResult, Output

app = App(name="corpus", help="Build, verify, describe and copy corpora of ECG segments.")


@Parameter(name="*")
@dataclass(frozen=True)
class SegmentOptions:
    """What a segment is, and which are kept.

    Parameters
    ----------
    segment_s
        Length of a segment in seconds.
    leads
        Only these leads, comma-separated. By default all ECG leads of each recording.
    drop_inverted
        Leave out windows whose QRS complexes point down; by default they are kept and marked.
    only_ecg
        Leave out windows without heartbeats and what is no ECG, as the models refuse them; slow,
        and ventricular fibrillation is left out too.
    """

    segment_s: float = 10.0
    leads: str | None = None
    drop_inverted: bool = False
    only_ecg: bool = False


@app.command
def build(
    source: str,
    *,
    output: Output,
    engine: EngineOptions | None = None,
    segments: SegmentOptions | None = None,
    split: str = "random",
    append: bool = False,
    json: JsonResult = False,
) -> int:
    """Build a corpus of raw segments; started again after an interruption, it goes on.

    Parameters
    ----------
    source
        A manifest (CSV or Parquet), or the folder of MC-MED.
    output
        Folder of the corpus.
    split
        Which official split of MC-MED: random or chrono.
    append
        Add what a finished corpus does not have yet.
    """
    from ecgfoundry.corpus import BuildOptions, build_corpus
    from ecgfoundry.corpus.quality_gate import Gate
    from ecgfoundry.datasets.mc_med import open_mc_med
    from ecgfoundry.manifest import read_recordings

    if Path(source).is_dir():
        data = open_mc_med(source, split=split, labs=False)
        manifest, provenance = data.manifest(), data.report()
        for issue in data.issues:
            note(f"{issue.count} x {issue.message}")
    else:
        manifest = read_recordings(source, need_targets=False).manifest
        sites = {row.site or "" for row in manifest.rows}
        synthetic = any("synthetic" in site for site in sites)
        provenance = {"data_set": Path(source).name, "synthetic": synthetic}
    kept = segments or SegmentOptions()
    options = BuildOptions(
        segment_s=kept.segment_s,
        leads=tuple(name.strip() for name in kept.leads.split(",")) if kept.leads else None,
        gate=Gate(drop_inverted=kept.drop_inverted, only_ecg=kept.only_ecg),
    )
    with progress("Building") as bar:
        result = build_corpus(
            manifest,
            output,
            options=options,
            engine=(engine or EngineOptions()).make(),
            append=append,
            provenance=provenance,
            progress=bar.update,
        )
    document = result.document
    failed = document["records"].get("failed", 0) + document["records"].get("partial", 0)
    if failed:
        note(f"{failed} records could not be read (whole)")
    if json:
        print_json({
            "corpus": output, "segments": document["segments"], "records": document["records"],
            "bytes": document["bytes"], "tasks": result.tasks, "made": result.made,
        })  # fmt: skip
        return 0 if document["segments"] else 1
    print(
        f"{output}: {document['segments']} segments of {sum(document['records'].values())} records "
        f"({document['records']}), {document['bytes'] / 1e6:.1f} MB; "
        f"{result.made} of {result.tasks} tasks were made now"
    )
    return 0 if document["segments"] else 1


@app.command
def verify(folder: Path, *, quick: bool = False, json: JsonResult = False) -> int:
    """Check every file, hash and index row of a corpus, and what is cached beside it.

    Parameters
    ----------
    folder
        The corpus.
    quick
        Only presence, sizes and shapes.
    """
    from ecgfoundry.corpus import verify_corpus

    with progress("Verifying") as bar:
        found = verify_corpus(folder, hashes=not quick, progress=bar.update)
    cached, stale = 0, list[str]()
    if found.ok and not quick:
        from ecgfoundry.corpus.standardized import verify_cache
        from ecgfoundry.corpus.store import open_corpus

        cached, stale = verify_cache(open_corpus(folder))
    if json:
        print_json({
            "corpus": folder, "whole": found.ok, "segments": found.segments, "files": found.files,
            "problems": [*found.problems, *stale], "cached": cached,
        })  # fmt: skip
        return 0 if found.ok and not stale else 1
    for problem in (*found.problems, *stale):
        print(f"ecgfoundry: {problem}", file=sys.stderr)
    verdict = "whole" if found.ok else f"{len(found.problems)} problem(s)"
    print(f"{folder}: {verdict}; {found.segments} segments in {found.files} files")
    if cached:
        print(f"{cached} cached files, {len(stale)} of them of no use (they can be deleted)")
    return 0 if found.ok and not stale else 1


@app.command
def cache(
    folder: Path,
    *,
    recipe: str,
    leads: str | None = None,
    group: str | None = None,
    upright: Annotated[bool, Parameter(negative="")] = False,
    storage: Literal["float32", "float16"] = "float32",
    engine: EngineOptions | None = None,
    json: JsonResult = False,
) -> None:
    """Keep the segments of a corpus as a recipe standardizes them; training then reads those.

    Parameters
    ----------
    folder
        The corpus.
    recipe
        Name of the preprocessing, such as ecgfounder-finetune@1, or the file of a recipe (.json).
    leads
        Rows of the model, comma-separated; by default the leads of the corpus.
    group
        Only this rate, set of leads and length (see 'corpus stats').
    upright
        Turn records over that look inverted, as the laboratory recipe reads them.
    storage
        float32 is bit by bit what standardizing afresh gives; float16 halves the size and rounds.
    """
    from ecgfoundry.corpus import open_corpus
    from ecgfoundry.corpus.standardized import Input, build_cache

    corpus = open_corpus(folder)
    if group is not None:
        corpus = corpus.of_group(group)
    wanted = tuple(name.strip() for name in leads.split(",")) if leads else corpus.leads
    with progress("Standardizing") as bar:
        made = build_cache(
            corpus,
            Input.of(recipe, wanted, corpus.leads, upright=upright),
            storage=storage,
            engine=(engine or EngineOptions()).make(),
            progress=bar.update,
        )
    if json:
        print_json({"corpus": folder, "segments": len(corpus), "recipe": recipe,
                    "storage": storage, "made": made})  # fmt: skip
        return
    print(f"{folder}: {len(corpus)} segments as {recipe} in {storage}; {made} shards made now")


@app.command
def stats(
    corpus: str,
    *,
    report: Path | None = None,
    json: Json = False,
) -> None:
    """Print what is in a corpus.

    Parameters
    ----------
    corpus
        Folder or URL.
    report
        Also write an HTML page with pictures here.
    json
        Print JSON.
    """
    from rich.console import Console
    from rich.table import Table

    from ecgfoundry.corpus import open_corpus
    from ecgfoundry.corpus.stats import corpus_statistics, write_page

    opened = open_corpus(corpus)
    with progress("Counting"):
        found = corpus_statistics(opened)
    if json:
        print_json(found)
    else:
        table = Table("what", "value", title="SYNTHETIC" if found["synthetic"] else None)
        for name, value in found.items():
            table.add_row(name.replace("_", " "), str(value))
        Console().print(table)
    if report is not None:
        write_page(opened, report)


@app.command
def copy(source: Path, url: str, *, json: JsonResult = False) -> None:
    """Copy a finished corpus to another folder or an object store; goes on where it was.

    Parameters
    ----------
    source
        The corpus.
    url
        An fsspec URL, for example s3://bucket/corpus or file:///mnt/corpus.
    """
    from ecgfoundry.corpus.remote import copy_corpus

    with progress("Copying") as bar:
        copied = copy_corpus(source, url, progress=bar.update)
    if json:
        print_json({"url": url, "files": copied})
        return
    print(f"{url}: {copied} files copied")
