"""``ecgfoundry train-defaults``: make the shipped bundles anew."""

from __future__ import annotations

from pathlib import Path

from ecgfoundry.cli.saying import print_json
from ecgfoundry.cli.vocabulary import JsonResult, Output


def train_defaults(
    *,
    data: Path = Path("../shared/data"),
    work: Path = Path("build/train-defaults"),
    output: Output = Path("build/bundles"),
    only: str | None = None,
    threads: int = 2,
    package_only: bool = False,
    json: JsonResult = False,
) -> None:
    """Train the bundles that are part of the installation, from open data.

    Takes hours on two cores; an interrupted run continues where it was.

    Parameters
    ----------
    data
        Folder with cinc2017_training2017.zip and ptbxl_subset.
    work
        For checkpoints, curves and figures.
    output
        Where the bundle folders are made.
    only
        Only this bundle.
    threads
        CPU threads.
    package_only
        Do not train; package the results in the work folder.
    """
    import importlib.util

    from ecgfoundry.errors import MissingExtraError

    if importlib.util.find_spec("torch") is None:
        raise MissingExtraError.for_extra("training", "torch")
    from ecgfoundry.training.shipped import SHIPPED, train_shipped

    for name in SHIPPED if only is None else (only,):
        folder = train_shipped(name, data, work, output, threads=threads, train=not package_only)
        if json:
            print_json({"bundle": folder})
        else:
            print(f"{folder}: made")
