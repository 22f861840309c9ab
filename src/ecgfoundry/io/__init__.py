"""Files and tables: written whole or not at all, hashed, read whatever program wrote them.

Everything below the formats of ECGs that touches a disk goes through here, so that a full disk, a
broken cell and a foreign encoding are told in the same way everywhere.
"""

from __future__ import annotations

from ecgfoundry.io.cells import MISSING_WORDS, is_missing, number_of, whole_number
from ecgfoundry.io.files import (
    is_full_disk,
    make_folder,
    read_json,
    sha256_of,
    system_error,
    write_atomically,
    write_error,
    write_folder_atomically,
    write_json,
    write_whole,
)
from ecgfoundry.io.tables import (
    PARQUET_SUFFIXES,
    TABLE_SUFFIXES,
    Table,
    TableForm,
    columns_of,
    read_table,
    table_form,
    table_suffix,
    write_frame,
)

__all__ = [
    "MISSING_WORDS",
    "PARQUET_SUFFIXES",
    "TABLE_SUFFIXES",
    "Table",
    "TableForm",
    "columns_of",
    "is_full_disk",
    "is_missing",
    "make_folder",
    "number_of",
    "read_json",
    "read_table",
    "sha256_of",
    "system_error",
    "table_form",
    "table_suffix",
    "whole_number",
    "write_atomically",
    "write_error",
    "write_folder_atomically",
    "write_frame",
    "write_json",
    "write_whole",
]
