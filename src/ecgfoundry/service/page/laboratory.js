// Laboratory estimates: a table, a trend for each indicator, and what must be said beside them.

import { element } from "./dom.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 150, HEIGHT = 34;

const number = (value, share) => share ? `${(100 * value).toFixed(value < 0.1 ? 1 : 0)} %` : value.toPrecision(3);

// The sliding mean as a line in its interval: points are {time_s, estimate, low, high}.
function sparkline(points, share, name) {
  const known = points.filter((p) => p.low !== undefined);
  const all = points.flatMap((p) => [p.estimate, p.low ?? p.estimate, p.high ?? p.estimate]);
  let low = Math.min(...all), high = Math.max(...all);
  const least = share ? 0.05 : 0.02 * Math.abs(high) || 1; // a flat trend looks flat
  if (high - low < least) { const middle = (low + high) / 2; low = middle - least / 2; high = middle + least / 2; }
  const begin = points[0].time_s, end = points[points.length - 1].time_s;
  const x = (p) => (2 + ((p.time_s - begin) / (end - begin || 1)) * (WIDTH - 4)).toFixed(1);
  const y = (v) => (HEIGHT - 3 - ((v - low) / (high - low)) * (HEIGHT - 6)).toFixed(1);
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "spark");
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `${name}: from ${number(points[0].estimate, share)} to ${number(points[points.length - 1].estimate, share)}, drawn between ${number(low, share)} and ${number(high, share)}`);
  const add = (kind, list, className) => {
    const made = document.createElementNS(SVG, kind);
    made.setAttribute("points", list.join(" "));
    made.setAttribute("class", className);
    svg.append(made);
  };
  if (known.length > 1) {
    add("polygon", [...known.map((p) => `${x(p)},${y(p.high)}`), ...known.toReversed().map((p) => `${x(p)},${y(p.low)}`)], "band");
  }
  add("polyline", points.map((p) => `${x(p)},${y(p.estimate)}`), "line");
  return svg;
}

const ARROWS = { rising: "↗ rising", falling: "↘ falling", steady: "→ steady", unknown: "" };

// ``answer``: of /v1/labs or of a live stream; ``points``: trend points, oldest first.
export function laboratoryView(answer, points = []) {
  const box = element("div");
  const synthetic = answer.trained_on_synthetic_data;
  if (synthetic) box.append(element("p", "SYNTHETIC", "synthetic"));
  const live = answer.type === "laboratory";
  const trended = points.length > 1;
  const columns = ["Indicator", "Estimate", live ? "90 % of the mean" : "Single windows", ...(live ? [] : ["AUROC"]), ...(trended ? ["Trend"] : [])];
  const table = element("table");
  const head = table.createTHead().insertRow();
  for (const name of columns) {
    const cell = element("th", name, name === "Estimate" ? "number" : "");
    cell.scope = "col";
    head.append(cell);
  }
  const body = table.createTBody();
  const value = (e) => e.estimate ?? e.probability ?? e.value;
  const share = (e) => live ? !("value_low" in e) && answer.target_kind !== "regression" : e.probability !== undefined;
  for (const estimate of [...answer.estimates].sort((a, b) => value(b) - value(a))) {
    const row = body.insertRow();
    const name = element("th", estimate.name);
    name.scope = "row";
    if (estimate.description) name.append(element("span", estimate.description, "means"));
    row.append(name);
    const isShare = share(estimate);
    const unit = isShare || !estimate.unit ? "" : ` ${estimate.unit}`;
    row.append(element("td", number(value(estimate), isShare) + unit, "number"));
    const low = live ? estimate.low : estimate.low ?? estimate.window_low;
    const high = live ? estimate.high : estimate.high ?? estimate.window_high;
    row.append(element("td", low === undefined ? "–" : `${number(low, isShare)} – ${number(high, isShare)}`));
    if (!live) {
      const auroc = estimate.auroc === undefined ? "–" : `${estimate.auroc.toFixed(2)}${estimate.band ? ` (${estimate.band})` : ""}`;
      row.append(element("td", auroc));
    }
    if (trended) {
      const cell = row.insertCell();
      const own = points.map((p) => ({ time_s: p.time_s, ...p.estimates.find((e) => e.name === estimate.name) }));
      cell.append(sparkline(own, isShare, estimate.name));
      const last = own[own.length - 1].direction;
      if (ARROWS[last]) cell.append(element("span", ARROWS[last], "direction"));
    }
  }
  const scroll = element("div", undefined, "table-scroll");
  scroll.append(table);
  box.append(scroll);
  for (const line of answer.caveats || []) box.append(element("p", line, "hint"));
  return box;
}
