"""What the evaluation report adds to the house style, and its one script (sorting tables)."""

from __future__ import annotations

from ecgfoundry.reports.html.style import style_sheet

__all__ = ["SORT_SCRIPT", "evaluation_style"]

_RULES = """
main,.masthead,.foot{max-width:1180px}
.lead{font-size:1rem;max-width:75ch;margin:6px 0 0}
nav.contents{display:flex;flex-wrap:wrap;gap:4px 18px;font-size:.88rem;margin:10px 0 0}
section.card>h2{margin-bottom:6px}
section.card>p{max-width:80ch}
.gap{margin-top:16px}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(170px,1fr));gap:12px;margin:18px 0}
.tile{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:14px 16px}
.tile b{display:block;font-size:1.55rem;font-weight:650;letter-spacing:-.01em;line-height:1.2;
 font-variant-numeric:tabular-nums}
.tile span{font-size:.8rem;color:var(--muted);display:block}
table.data{font-size:.88rem}
table.data td,table.data tbody th{padding:5px 14px 5px 0;font-size:.88rem}
table.data thead th{padding-right:14px;position:sticky;top:0;background:var(--card)}
table.data .r{text-align:right;white-space:nowrap}
table.data tbody th{font-weight:550;min-width:92px;overflow-wrap:break-word}
.flow svg{max-width:640px}
table.data tr.weak>*{color:var(--muted)}
table.data tr.weak th{font-weight:400}
.ci{color:var(--muted);font-size:.92em;white-space:nowrap}
.sortable thead th{cursor:pointer}
.sortable thead th button{all:unset;cursor:pointer;font:inherit;color:inherit}
.sortable thead th button:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
.sortable thead th button::after{content:'\\2195';opacity:.45;margin-left:4px;font-size:.85em}
.sortable thead th[aria-sort=ascending] button::after{content:'\\2191';opacity:1}
.sortable thead th[aria-sort=descending] button::after{content:'\\2193';opacity:1}
.band{display:inline-block;border-radius:4px;padding:0 7px;font-size:.8rem;
 border:1px solid var(--line);white-space:nowrap}
.band.strong{border-color:var(--bar);color:var(--accent)}
.band.moderate{border-style:dashed;border-color:var(--bar-quiet)}
.band.limited{border-color:var(--warning-line);color:var(--warning);background:var(--warning-back)}
.tall{max-height:560px;overflow:auto}
.figures{display:grid;grid-template-columns:repeat(auto-fill,minmax(268px,1fr));gap:8px 18px}
.figures figure{margin:0}
.figures figure.wide{grid-column:span 2}
.figures figure.wide svg{max-width:560px}
.figures svg{width:100%;height:auto;max-width:380px;display:block}
svg text{font-family:inherit;fill:var(--text)}
svg .axis{stroke:var(--muted);stroke-width:1}
svg .grid{stroke:var(--line);stroke-width:1}
svg .quiet{fill:var(--muted)}
svg .curve{fill:none;stroke:var(--bar);stroke-width:2;stroke-linejoin:round}
svg .chance{stroke:var(--muted);stroke-width:1;stroke-dasharray:4 4;fill:none}
svg .dot{fill:var(--bar)}
svg .dot.weak{fill:var(--bar-quiet)}
svg .cloud{fill:var(--bar);fill-opacity:.45}
svg .whisker{stroke:var(--bar);stroke-width:1.6}
svg .whisker.weak{stroke:var(--bar-quiet)}
svg .hollow{fill:var(--card);stroke:var(--text);stroke-width:1.3}
svg .point{fill:var(--warning-line);stroke:var(--card);stroke-width:1}
svg .drop{stroke:var(--refusal-line);stroke-width:2.2}
svg .rise{stroke:var(--bar);stroke-width:2.2}
svg .box{fill:var(--card);stroke:var(--muted);stroke-width:1.2}
svg .count{fill:var(--bar-track)}
.plot svg{display:block;width:100%;height:auto}
.plot{overflow-x:auto}
.legend{font-size:.82rem;color:var(--muted);margin:4px 0 8px}
.methods{columns:2 340px;column-gap:34px;font-size:.92rem}
.methods p{break-inside:avoid}
.plain{padding-left:18px;margin:4px 0 8px}
.plain li{margin:2px 0;overflow-wrap:anywhere}
.target-figures{border-top:1px solid var(--line);margin:0;padding:4px 0}
.target-figures summary{display:flex;gap:12px;justify-content:space-between;flex-wrap:wrap}
.hash{font-family:ui-monospace,'DejaVu Sans Mono',monospace;font-size:.75rem;overflow-wrap:anywhere}
@media (max-width:640px){.figures figure.wide{grid-column:auto}
 .tiles{grid-template-columns:1fr 1fr}.tile{padding:10px 12px}
 .tile b{font-size:1.2rem}.plot svg{min-width:520px}}
@page{size:A4 portrait;margin:14mm 12mm}
@media print{.tall{max-height:none;overflow:visible}
 nav.contents,.sortable thead th button::after{display:none}
 .tiles{grid-template-columns:repeat(4,1fr)}.tile{border-radius:4px}table.data,.legend{font-size:8.5pt}
 table.data td,table.data tbody th,table.data thead th{font-size:8.5pt;
 padding:1mm 2.5mm 1mm 0;position:static}
 .masthead{display:block}.target-figures,table.data tr{break-inside:avoid}
 section.card>.legend,.legend,.lead{max-width:none;break-after:avoid}
 .figures{grid-template-columns:repeat(3,1fr)}.methods{columns:1}section.card{break-inside:auto}
 section.card>h2{break-after:avoid}.plot svg{max-height:245mm}}
"""

SORT_SCRIPT = """
(function(){
document.querySelectorAll('table.sortable').forEach(function(table){
 var heads=table.tHead.rows[table.tHead.rows.length-1].cells;
 Array.prototype.forEach.call(heads,function(head,column){
  var button=document.createElement('button');button.type='button';
  while(head.firstChild)button.appendChild(head.firstChild);
  head.appendChild(button);
  head.addEventListener('click',function(){
   var up=head.getAttribute('aria-sort')==='descending';
   Array.prototype.forEach.call(heads,function(h){h.removeAttribute('aria-sort')});
   head.setAttribute('aria-sort',up?'ascending':'descending');
   var rows=Array.prototype.slice.call(table.tBodies[0].rows);
   rows.sort(function(a,b){
    var x=a.cells[column].getAttribute('data-v'),y=b.cells[column].getAttribute('data-v');
    if(x===''||y==='')return (x==='')-(y==='');
    var n=Number(x),m=Number(y),d=(isNaN(n)||isNaN(m))?x.localeCompare(y):n-m;
    return up?d:-d;});
   rows.forEach(function(row){table.tBodies[0].appendChild(row)});
  });
 });
});
addEventListener('beforeprint',function(){
 document.querySelectorAll('details').forEach(function(d){d.open=true})});
})();
"""
"""Sorts a table by a click on its header; undefined values stay at the end. Opens what is folded
before printing. It reads nothing but the page."""


def evaluation_style() -> str:
    """Return the CSS of the evaluation report."""
    return style_sheet() + _RULES
