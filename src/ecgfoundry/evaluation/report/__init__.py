"""The evaluation report: sections, tables, figures."""
