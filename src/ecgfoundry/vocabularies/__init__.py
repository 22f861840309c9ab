"""Vocabularies: data files in this folder and one loader; label maps between them.

``ecgfounder-150`` (the outputs of ECGFounder), ``cinc2017-rhythm`` (single-lead rhythm classes),
``ptbxl-superclass`` (PTB-XL's diagnostic superclasses), ``ptbxl-diagnosis`` (these and statements),
``scp-ecg`` (the statements of PTB-XL) and ``code-6`` (the findings of the CODE study). ``maps/``
holds what the statements of data sets mean in them.
"""

from __future__ import annotations

from ecgfoundry.vocabularies.label_maps import (
    LabelMap,
    MapRow,
    available_label_maps,
    load_label_map,
)
from ecgfoundry.vocabularies.loading import VOCABULARIES, load_vocabulary
from ecgfoundry.vocabularies.matching import match_statement
from ecgfoundry.vocabularies.statements import (
    ReportLabels,
    labels_of_12sl_codes,
    labels_of_statements,
)
from ecgfoundry.vocabularies.types import KINDS, Target, Vocabulary

__all__ = [
    "KINDS",
    "VOCABULARIES",
    "LabelMap",
    "MapRow",
    "ReportLabels",
    "Target",
    "Vocabulary",
    "available_label_maps",
    "labels_of_12sl_codes",
    "labels_of_statements",
    "load_label_map",
    "load_vocabulary",
    "match_statement",
]
