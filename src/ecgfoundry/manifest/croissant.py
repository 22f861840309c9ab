"""Croissant metadata of a table of recordings, so that catalogues of data sets understand it.

Croissant 1.0 of MLCommons: JSON-LD around schema.org that says which files a data set has and what
the columns mean. Only the table is described; recordings are reached by its column of paths.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from shlex import quote

from ecgfoundry.documents import JsonObject
from ecgfoundry.errors import TableError
from ecgfoundry.io import PARQUET_SUFFIXES, Table, number_of, read_table, sha256_of

__all__ = ["CroissantAbout", "croissant_document"]

_CONTEXT: JsonObject = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
"""The context that the specification of Croissant 1.0 prescribes."""

_MEANINGS = {
    "file": "Path of the recording, relative to this table",
    "path": "Path of the recording, relative to this table",
    "record": "Name of the recording",
    "index": "Row of the recording in an array file",
    "start_s": "Start within the file, seconds",
    "duration_s": "Length from the start, seconds",
    "patient": "Whose recording it is; all recordings of one person share it",
    "visit": "Visit or admission of the person",
    "split": "train, validation or test; no person is in two",
    "age": "Age at the recording, years",
    "sex": "Sex as recorded",
    "site": "Where it was recorded",
    "device": "What recorded it",
}


@dataclass(frozen=True, slots=True)
class CroissantAbout:
    """What a table does not say about itself.

    Parameters
    ----------
    name : str
    description : str
    license : str
        Address of the licence, or its SPDX name.
    creator : str
    url : str
        Where the data set is found.
    cite_as : str, optional
    version : str
        Major, minor and patch.
    published : date, optional
        None: today.
    """

    name: str
    description: str
    license: str
    creator: str
    url: str
    cite_as: str | None = None
    version: str = "1.0.0"
    published: date | None = None


def croissant_document(path: str | Path, about: CroissantAbout) -> JsonObject:
    """Describe a table of recordings.

    Parameters
    ----------
    path : str or Path
        CSV in UTF-8 with commas, or Parquet: what programs that read Croissant understand.
    about : CroissantAbout

    Returns
    -------
    dict
        The JSON-LD document.

    Raises
    ------
    TableError
        The table has another form, or two columns would have one name.
    """
    path = Path(path)
    table = read_table(path)
    document: JsonObject = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": about.name,
        "description": about.description,
        "license": about.license,
        "creator": {"@type": "sc:Organization", "name": about.creator},
        "url": about.url,
        "version": about.version,
        "datePublished": (about.published or date.today()).isoformat(),
    }
    if about.cite_as is not None:
        document["citeAs"] = about.cite_as
    document["distribution"] = [
        {
            "@type": "cr:FileObject",
            "@id": "table",
            "name": path.name,
            "contentUrl": path.name,
            "encodingFormat": _encoding_format(path, table),
            "sha256": sha256_of(path),
        }
    ]
    document["recordSet"] = [
        {
            "@type": "cr:RecordSet",
            "@id": "recordings",
            "name": "recordings",
            "description": "One row for each recording",
            "field": _fields(path, table),
        }
    ]
    return document


def _encoding_format(path: Path, table: Table) -> str:
    if path.suffix.lower() in PARQUET_SUFFIXES:
        return "application/x-parquet"
    if path.suffix.lower() != ".csv" or table.decimal_comma or table.notes:
        raise TableError(
            "programs that read Croissant take CSV in UTF-8 with commas, or Parquet",
            path=path,
            remedy=f"Write it so: ecgfoundry manifest split {quote(str(path))} --output NEW.csv",
        )
    return "text/csv"


def _fields(path: Path, table: Table) -> list[JsonObject]:
    names = [re.sub(r"[^A-Za-z0-9_-]+", "_", column).strip("_") for column in table.columns]
    repeated = sorted({name for name in names if names.count(name) > 1 or not name})
    if repeated:
        raise TableError(f"columns would share the name {', '.join(repeated)}", path=path)
    return [
        {
            "@type": "cr:Field",
            "@id": f"recordings/{name}",
            "name": name,
            "description": _meaning(column),
            "dataType": _data_type([row[position] for row in table.rows]),
            "source": {"fileObject": {"@id": "table"}, "extract": {"column": column}},
        }
        for position, (name, column) in enumerate(zip(names, table.columns, strict=True))
    ]


def _meaning(column: str) -> str:
    return _MEANINGS.get(column, f"Column {column}")


def _data_type(cells: list[str]) -> str:
    known = [cell for cell in cells if cell]
    numbers = [number_of(cell, words=False) for cell in known]
    if not known or any(number is None for number in numbers):
        return "sc:Text"
    # Readers of CSV give a column with empty cells as floating-point numbers.
    whole = len(known) == len(cells) and all(cell.lstrip("+-").isdigit() for cell in known)
    # 0017 is a name and not the number 17.
    if any(len(cell) > 1 and cell.startswith("0") and cell.isdigit() for cell in known):
        return "sc:Text"
    return "sc:Integer" if whole else "sc:Float"
