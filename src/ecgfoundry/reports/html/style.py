"""The one style sheet of the HTML report, light, dark and for A4 paper."""

from __future__ import annotations

from dataclasses import asdict

from markupsafe import Markup

from ecgfoundry.reports.html.environment import drawn
from ecgfoundry.reports.paper.drawing import THEMES

__all__ = ["DARK", "LIGHT", "PAINTS", "painted", "style_sheet"]


def _paper(theme: str) -> dict[str, str]:
    return {f"ecg-{name}": colour for name, colour in asdict(THEMES[theme]).items()}


LIGHT = {
    "page": "#f4f3f0",
    "card": "#ffffff",
    "text": "#1c2326",
    "muted": "#56616a",
    "line": "#dcdad5",
    "accent": "#0a5a6c",
    "bar": "#2b7f93",
    "bar-quiet": "#93a7ae",
    "bar-track": "#e9ebea",
    "warning": "#5c3c00",
    "warning-back": "#fdf1d8",
    "warning-line": "#d69a2d",
    "refusal": "#7c1612",
    "refusal-back": "#fdeae7",
    "refusal-line": "#c5473d",
    **_paper("paper"),
}
"""Colours on a light page; text on its ground has a contrast of at least 4.5 (WCAG 2.1, AA)."""

DARK = {
    "page": "#0c1114",
    "card": "#151c21",
    "text": "#e3e9ea",
    "muted": "#a2b0b7",
    "line": "#2b363d",
    "accent": "#7ccbdb",
    "bar": "#4ea6ba",
    "bar-quiet": "#5d707a",
    "bar-track": "#26313a",
    "warning": "#f6d79a",
    "warning-back": "#2d2414",
    "warning-line": "#a87a26",
    "refusal": "#ffb8b0",
    "refusal-back": "#331a18",
    "refusal-line": "#b5493f",
    **_paper("dark"),
}
"""Colours on a dark page, with the same keys and the same promise."""

PAINTS = {
    "track": ("fill", "bar-track"),
    "fill": ("fill", "bar-quiet"),
    "fill-present": ("fill", "bar"),
    "tick": ("stroke", "text"),
    "icon-on": ("fill", "accent"),
    "icon-check": ("stroke", "card"),
    "icon-off": ("stroke", "muted"),
    "lane-ground": ("fill", "bar-track"),
    "lane-on": ("fill", "bar"),
    "lane-text": ("fill", "text"),
    "lane-mark": ("fill", "text"),
    "lane-muted": ("fill", "muted"),
    "lane-refused": ("stroke", "refusal-line"),
    "lane-axis": ("stroke", "muted"),
    "trend-line": ("stroke", "text"),
    "trend-band": ("fill", "bar-quiet"),
    "trend-zero": ("stroke", "line"),
}
"""How each class of the drawings is painted: the SVG property and the name of its colour."""

_PAPER_PAINTS = {
    "ground": ("fill", "ecg-background"),
    "minor": ("stroke", "ecg-minor"),
    "major": ("stroke", "ecg-major"),
    "trace": ("stroke", "ecg-trace"),
    "calibration": ("stroke", "ecg-trace"),
    "separator": ("stroke", "ecg-trace"),
    "off-scale": ("fill", "ecg-trace"),
    "labels": ("fill", "ecg-text"),
    "words": ("fill", "ecg-text"),
    "quiet": ("fill", "ecg-muted"),
    "mark": ("fill", "ecg-mark"),
    "mark-lines": ("stroke", "ecg-mark"),
    "mark-text": ("fill", "ecg-text"),
    "highlight": ("fill", "ecg-highlight"),
    "earlier": ("stroke", "ecg-earlier"),
}
"""The classes of the ECG paper (``reports.paper.drawing.Theme``)."""


def painted(name: str) -> Markup:
    """Return the class attribute of a part of a drawing, and its colour on a light page.

    Both, because WeasyPrint applies the style sheet of a page to no SVG in it: without a colour of
    their own, all drawings of a PDF would be black.
    """
    prop, colour = PAINTS[name]
    return drawn(f'class="{name}" {prop}="{LIGHT[colour]}"')


PRINTED_BESIDE_TEXT_MM = 165
"""Height of a sheet up to which it stands below its heading on one A4 landscape page."""

PRINTED_ALONE_MM = 185
"""Height of a sheet up to which it fits on a page of its own, at true scale; a taller one is
printed smaller, and the page says so."""

_RULES = """
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--page);color:var(--text);
 font:15px/1.5 system-ui,'Segoe UI','Helvetica Neue',Helvetica,Arial,'DejaVu Sans',sans-serif}
main,.masthead,.foot{max-width:1560px;margin:0 auto;padding:0 24px}
.masthead{padding-top:28px;padding-bottom:4px}
h1{font-size:1.5rem;line-height:1.25;margin:0 0 4px;font-weight:650;letter-spacing:-.01em}
h2{font-size:1.2rem;line-height:1.3;margin:0;font-weight:650;overflow-wrap:anywhere}
h3{font-size:.95rem;margin:0 0 8px;font-weight:650}
p{margin:0 0 8px}
a{color:var(--accent)}
.muted{color:var(--muted)}.small{font-size:.85rem}
.disclaimer{color:var(--muted);font-size:.85rem;font-weight:550}
.card{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:20px 22px;
 margin:18px 0}
.record-head{display:flex;flex-wrap:wrap;gap:4px 20px;align-items:baseline;
 justify-content:space-between;margin-bottom:10px}
.verdict{font-size:.85rem;color:var(--muted)}
.facts{display:flex;flex-wrap:wrap;margin:0 0 8px}
.facts div{min-width:0;margin:0 26px 6px 0}
.facts dt{font-size:.75rem;color:var(--muted)}
.facts dd{margin:0;overflow-wrap:anywhere}
.body{display:grid;grid-template-columns:minmax(0,1fr);gap:20px;align-items:start}
.body>*{min-width:0}
.paper{overflow-x:auto;border-radius:8px}
.paper:focus-visible,a:focus-visible,summary:focus-visible{outline:3px solid var(--accent);
 outline-offset:2px}
.paper svg{display:block}
figure{margin:0 0 14px}
figcaption{font-size:.85rem;color:var(--muted);margin:0 0 4px}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
caption{text-align:left;font-size:.85rem;color:var(--muted);padding-bottom:4px}
th{font-weight:550;font-size:.78rem;color:var(--muted);text-align:left;vertical-align:bottom;
 padding:4px 10px 4px 0;border-bottom:1px solid var(--line)}
td,tbody th{padding:8px 10px 8px 0;border-bottom:1px solid var(--line);vertical-align:top}
tbody th{font-size:.95rem;color:var(--text);font-weight:400}
tr.is-present th{font-weight:650}
tbody tr:last-child>*{border-bottom:0}
td:last-child,th:last-child{padding-right:0}
.code{display:block;font-size:.75rem;font-weight:400;color:var(--muted);overflow-wrap:anywhere}
.number{white-space:nowrap}
.findings td:last-child,.findings thead th:last-child{width:42%}
.finding{display:flex;gap:9px}.finding svg{flex:none;margin-top:4px}
.piece{white-space:nowrap}
.bar{display:block;width:100%;min-width:84px;height:14px;margin-top:3px}
.tag{display:inline-block;border:1px solid var(--warning-line);color:var(--warning);
 background:var(--warning-back);border-radius:4px;padding:0 6px;font-size:.75rem;font-weight:550}
.notices{list-style:none;margin:0 0 14px;padding:0}
.notices li{border-left:4px solid var(--warning-line);background:var(--warning-back);
 color:var(--warning);padding:7px 12px;border-radius:4px;margin-bottom:6px;overflow-wrap:anywhere}
.refusal{border-left:6px solid var(--refusal-line);background:var(--refusal-back);
 color:var(--refusal);padding:12px 16px;border-radius:4px;margin:0 0 14px;overflow-wrap:anywhere}
.refusal h3{margin-bottom:4px;font-size:1.05rem}h2.refusal{font-size:1.05rem}
.notice-code{font-size:.75rem}
.lanes{overflow-x:auto;margin-bottom:14px}
.lanes svg{display:block;width:100%;min-width:760px;max-width:1040px;height:auto}
.scroll{overflow-x:auto}
.limit{display:block;font-size:.82rem;line-height:1.3;color:var(--muted)}
details{margin-top:8px}summary{cursor:pointer;color:var(--accent);padding:4px 0}
.provenance{border-top:1px solid var(--line);padding-top:10px;margin-top:6px}
.provenance .facts{margin:0 0 8px;font-size:.85rem}.provenance p{margin:0}
.below{margin-top:20px}
.hours td,.hours th{padding:3px 12px 3px 0}.hours tbody th{white-space:nowrap}
.hours td:not(:last-child){white-space:nowrap}
.measured-block{display:flex;flex-wrap:wrap;gap:8px 36px;margin-bottom:14px}
.measured-block .numbers{flex:none}.measured-block .stated{flex:1 1 420px;min-width:0}
.measured th,.measured td{padding:3px 16px 3px 0}.measured tbody th{white-space:nowrap}
.measured td{white-space:nowrap}table.changes{width:auto}.compared{margin-bottom:14px}
.statements td,.statements tbody th{padding-top:4px;padding-bottom:4px}
.statements p{margin:2px 0}.device-lines{margin:0;padding-left:18px}
.print-only{display:none}
.foot{padding-top:8px;padding-bottom:36px}
@media (min-width:1480px){.body.wide{grid-template-columns:auto minmax(330px,1fr)}
 .body.even{grid-template-columns:minmax(0,1fr) 380px}}
@media (max-width:640px){main,.masthead,.foot{padding-left:12px;padding-right:12px}
 .card{padding:14px 12px;border-radius:10px}.facts div{margin-right:18px}}
@page{size:A4 landscape;margin:5mm 8mm 11mm;
 @bottom-left{content:string(whose);font:8.5pt sans-serif;width:60%}
 @bottom-right{content:string(standing) " Page " counter(page) " of " counter(pages);
  font:8.5pt sans-serif}}
@media print{.record{string-set:whose attr(data-whose)}
 .masthead .disclaimer{string-set:standing content(text)}
.print-only{display:block}body{background:#fff;font-size:10.5pt}
 main,.masthead,.foot{max-width:none;padding:0}
 .masthead{display:flex;justify-content:space-between;align-items:baseline;padding-bottom:1mm}
 h1{font-size:11pt;margin:0}h2{font-size:12.5pt}
 .masthead h1{flex:1 1 auto}.masthead p{margin:0;flex:none}
 .record-head{margin-bottom:1mm}.notices{margin-bottom:2mm}
 .notices li{padding:.6mm 3mm;margin-bottom:1mm;font-size:9.5pt;line-height:1.3}
 .card{border:0;border-radius:0;padding:0;margin:0 0 4mm}
 .card.record{break-before:page}.masthead+main>.card.record:first-child{break-before:auto}
 .body{display:block}.body>*{margin-bottom:4mm}.paper,.lanes,.scroll{overflow:visible;border-radius:0}
 .paper svg{max-width:100%;max-height:{BESIDE}mm}.tall .paper svg{max-height:{ALONE}mm}
 .tall{break-before:page}
 figure,tr,.refusal,.notices li,.body.wide>div{break-inside:avoid}h3{break-after:avoid}
 .limit{display:inline;margin-left:2mm}
 .measured-block{gap:0 9mm;margin-bottom:2mm;font-size:9.5pt;line-height:1.25}
 .measured-block h3{margin:0 0 .5mm;font-size:9.5pt}.measured-block caption{padding-bottom:0}
 .measured th,.measured td,.statements td,.statements tbody th{padding-top:.5mm;padding-bottom:.5mm}
 .statements thead,.statements caption{display:none}
 .statements .code{display:inline;white-space:nowrap}.measured-block tbody th{font-size:9.5pt}
 .hours td,.hours tbody th{font-size:9pt;line-height:1.2;padding-top:.4mm;padding-bottom:.4mm}
 table.changes{font-size:9pt;line-height:1.15}.changes tbody th{font-size:9pt}
 .compared h3,.compared p{margin-bottom:1mm}.statements p{margin:0}
 .statements tbody th{font-size:9.5pt}
 .facts{margin-bottom:1.5mm;line-height:1.3}.facts div{margin:0 7mm .5mm 0}
 .lanes svg{min-width:0}td,tbody th{padding-top:1.2mm;padding-bottom:1.2mm}}
"""


def _variables(colours: dict[str, str]) -> str:
    return "".join(f"--{name}:{value};" for name, value in colours.items())


def style_sheet() -> str:
    """Return the CSS of the report, as the text of its one ``<style>`` element."""
    drawings = "".join(f".{name}{{{p}:var(--{c})}}" for name, (p, c) in PAINTS.items())
    drawings += "".join(
        f".ecg-paper .{name}{{{p}:var(--{c})}}" for name, (p, c) in _PAPER_PAINTS.items()
    )
    rules = _RULES.replace("{BESIDE}", str(PRINTED_BESIDE_TEXT_MM))
    rules = rules.replace("{ALONE}", str(PRINTED_ALONE_MM))
    return (
        f":root{{color-scheme:light dark;{_variables(LIGHT)}}}"
        # Only on screens: what is printed is always dark on white.
        f"@media screen and (prefers-color-scheme:dark){{:root{{{_variables(DARK)}}}}}"
        f"{rules}{drawings}"
    )
