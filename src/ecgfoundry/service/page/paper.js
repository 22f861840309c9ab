// ECG paper: where every lead stands, in millimetres, and how it is drawn.

export const CSS_MM = 96 / 25.4; // CSS pixels in a CSS millimetre
const LEFT_MM = 14; // room for the calibration pulse
const ROW_MM = 25;
const TOP_MM = 5;
const STANDARD = ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"];
const WIDTH_MM = 250; // ten seconds at 25 mm/s

export function visibleSeconds(speed) {
  return WIDTH_MM / speed;
}

// Strips: {lead, x, width, y (baseline), from, to} in mm and seconds; row heights follow the gain.
// ``rhythm`` marks the strip below the others, of a lead that they show as well.
export function planStrips({ layout, leads, speed, gain, start }) {
  const seconds = visibleSeconds(speed);
  const rowHeight = ROW_MM * Math.max(gain / 10, 0.8);
  const ordered = [...STANDARD.filter((l) => leads.includes(l)), ...leads.filter((l) => !STANDARD.includes(l))];
  const strips = [];
  const pulses = [];
  const row = (number, names, columns, rhythm = false) => {
    const y = TOP_MM + (number + 0.5) * rowHeight;
    pulses.push(y);
    names.forEach((lead, column) => {
      if (lead === undefined) return;
      const share = seconds / columns;
      strips.push({
        lead, x: LEFT_MM + (column * WIDTH_MM) / columns, width: WIDTH_MM / columns, y,
        from: start + column * share, to: start + (column + 1) * share, rhythm,
      });
    });
  };
  let rows = 0;
  if (layout === "single" || ordered.length === 1) {
    row(rows++, [ordered[0]], 1);
  } else if (layout === "12x1") {
    for (const lead of ordered) row(rows++, [lead], 1);
  } else {
    const count = layout === "6x2" ? 6 : 3;
    const columns = layout === "6x2" ? 2 : 4;
    const shown = ordered.slice(0, count * columns);
    const used = Math.max(Math.ceil(shown.length / count), 1);
    const perColumn = Math.ceil(shown.length / used);
    for (let r = 0; r < perColumn; r++) {
      row(rows++, Array.from({ length: used }, (_, c) => (r < perColumn ? shown[c * perColumn + r] : undefined)), used);
    }
    if (layout === "3x4") row(rows++, [ordered.includes("II") ? "II" : ordered[0]], 1, true);
  }
  return { strips, pulses, width: LEFT_MM + WIDTH_MM + 2, height: rows * rowHeight + 2 * TOP_MM, seconds, rowHeight };
}

export function colours() {
  const style = getComputedStyle(document.documentElement);
  const get = (name) => style.getPropertyValue(name).trim();
  return {
    paper: get("--paper"), grid: get("--grid"), bold: get("--grid-bold"), trace: get("--trace"),
    overlay: get("--overlay"), text: get("--text"), quiet: get("--quiet"),
  };
}

export function sizeCanvas(canvas, width, height, zoom) {
  const ratio = window.devicePixelRatio || 1;
  const pixels = CSS_MM * zoom;
  canvas.style.width = `${width * zoom}mm`;
  canvas.style.height = `${height * zoom}mm`;
  canvas.width = Math.round(width * pixels * ratio);
  canvas.height = Math.round(height * pixels * ratio);
  const context = canvas.getContext("2d");
  context.setTransform(pixels * ratio, 0, 0, pixels * ratio, 0, 0); // one unit is a millimetre
  return context;
}

export function drawGrid(context, width, height, palette) {
  context.fillStyle = palette.paper;
  context.fillRect(0, 0, width, height);
  for (const [step, colour, line] of [[1, palette.grid, 0.08], [5, palette.bold, 0.16]]) {
    context.strokeStyle = colour;
    context.lineWidth = line;
    context.beginPath();
    for (let x = LEFT_MM % step; x <= width; x += step) { context.moveTo(x, 0); context.lineTo(x, height); }
    for (let y = 0; y <= height; y += step) { context.moveTo(0, y); context.lineTo(width, y); }
    context.stroke();
  }
}

function drawPulse(context, y, speed, gain, palette) {
  const width = 0.2 * speed, left = Math.max(LEFT_MM - width - 4, 1);
  context.strokeStyle = palette.trace;
  context.lineWidth = 0.3;
  context.beginPath();
  context.moveTo(left - 1, y);
  context.lineTo(left, y);
  context.lineTo(left, y - gain);
  context.lineTo(left + width, y - gain);
  context.lineTo(left + width, y);
  context.lineTo(left + width + 1, y);
  context.stroke();
}

// A line through the samples; where many fall on one pixel, their extremes are drawn.
function drawTrace(context, strip, signal, speed, gain, colour, line) {
  const row = signal.leads.indexOf(strip.lead);
  if (row < 0) return;
  const values = signal.data[row];
  const first = Math.max(Math.ceil((strip.from - signal.start) * signal.rate - 1e-9), 0);
  const last = Math.min(Math.floor((strip.to - signal.start) * signal.rate + 1e-9), signal.count - 1);
  context.save();
  context.beginPath();
  context.rect(strip.x, strip.y - 200, strip.width, 400);
  context.clip();
  context.strokeStyle = colour;
  context.lineWidth = line;
  context.lineJoin = "round";
  context.beginPath();
  let pen = false;
  for (let k = first; k <= last; k++) {
    const value = values[k];
    if (Number.isNaN(value)) { pen = false; continue; }
    const x = strip.x + (signal.start + k / signal.rate - strip.from) * speed;
    const y = strip.y - value * gain;
    if (pen) context.lineTo(x, y); else context.moveTo(x, y);
    pen = true;
  }
  context.stroke();
  context.restore();
}

// Saliency as a band behind the trace: {leads, step_s, values: [[0..1] per lead]}.
function drawSaliency(context, strip, saliency, speed, rowHeight, palette) {
  const row = saliency.leads.indexOf(strip.lead);
  if (row < 0) return;
  context.fillStyle = palette.overlay;
  saliency.values[row].forEach((value, k) => {
    const from = saliency.start_s + k * saliency.step_s;
    const x0 = Math.max(from, strip.from), x1 = Math.min(from + saliency.step_s, strip.to);
    if (x1 <= x0 || !(value > 0.05)) return;
    context.globalAlpha = 0.45 * Math.min(value, 1);
    context.fillRect(strip.x + (x0 - strip.from) * speed, strip.y - rowHeight / 2, (x1 - x0) * speed, rowHeight);
  });
  context.globalAlpha = 1;
}

export function drawPaper(canvas, plan, { signal, overlay = null, saliency = null, speed, gain, zoom }) {
  const palette = colours();
  const context = sizeCanvas(canvas, plan.width, plan.height, zoom);
  drawGrid(context, plan.width, plan.height, palette);
  for (const y of plan.pulses) drawPulse(context, y, speed, gain, palette);
  for (const strip of plan.strips) {
    if (saliency) drawSaliency(context, strip, saliency, speed, plan.rowHeight, palette);
    drawTrace(context, strip, signal, speed, gain, palette.trace, 0.28);
    if (overlay) drawTrace(context, strip, overlay, speed, gain, palette.overlay, 0.22);
    context.fillStyle = palette.text;
    context.font = "3.4px system-ui, sans-serif";
    context.fillText(strip.lead, strip.x + 1, strip.y - plan.rowHeight / 2 + 4.2);
    if (strip.x > LEFT_MM + 1) {
      context.strokeStyle = palette.quiet;
      context.lineWidth = 0.3;
      context.beginPath();
      context.moveTo(strip.x, strip.y - 3);
      context.lineTo(strip.x, strip.y + 3);
      context.stroke();
    }
  }
}

// The strip at a place of the canvas, in mm.
export function stripAt(plan, x, y) {
  return plan.strips.find((s) => x >= s.x && x <= s.x + s.width && Math.abs(y - s.y) <= plan.rowHeight / 2);
}

export function drawOverview(canvas, overview, view) {
  const palette = colours();
  const ratio = window.devicePixelRatio || 1;
  const width = canvas.clientWidth, height = canvas.clientHeight;
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  context.fillStyle = palette.paper;
  context.fillRect(0, 0, width, height);
  const known = [...overview.low, ...overview.high].filter((v) => v !== null).sort((a, b) => a - b);
  const low = known[Math.floor(0.005 * known.length)] ?? -1, high = known[Math.floor(0.995 * known.length)] ?? 1;
  const y = (v) => height - 4 - ((v - low) / (high - low || 1)) * (height - 8);
  context.strokeStyle = palette.trace;
  context.lineWidth = 1;
  context.beginPath();
  overview.low.forEach((value, k) => {
    if (value === null) return;
    const x = ((k + 0.5) / overview.low.length) * width;
    context.moveTo(x, y(value));
    context.lineTo(x, y(overview.high[k]) - 0.5);
  });
  context.stroke();
  context.fillStyle = palette.overlay;
  context.globalAlpha = 0.35;
  context.fillRect((view.start / overview.seconds) * width, 0, Math.max((view.seconds / overview.seconds) * width, 3), height);
}
