"""A report as DICOM objects that stand in the study of the ECG: Encapsulated PDF, and a report SR.

``encapsulated_pdf`` is what a person opens in the PACS, ``report_sr`` what another program reads.
Both are unverified, take person and study from the source, and have the same identifiers when they
are made again from the same answer, so that a PACS knows a repetition.
"""

from __future__ import annotations

from ecgfoundry.reports.dicom.pdf import encapsulated_pdf
from ecgfoundry.reports.dicom.sr import report_sr
from ecgfoundry.reports.dicom.study import DicomStudy

__all__ = ["DicomStudy", "encapsulated_pdf", "report_sr"]
