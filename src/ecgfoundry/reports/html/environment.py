"""The templates of the HTML report."""

from __future__ import annotations

from ecgfoundry.templates import Templates, drawn

__all__ = ["drawn", "render"]

render = Templates("ecgfoundry.reports.html").render
