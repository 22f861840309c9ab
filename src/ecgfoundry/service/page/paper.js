// ECG paper true to scale: grid, calibration pulse, traces. Where a lead stands is planned in layouts.js.

import { LEFT_MM } from "./layouts.js";
import { drawBeatLabels, drawLit, drawWaves } from "./marks.js";

export const CSS_MM = 96 / 25.4; // CSS pixels in a CSS millimetre

export function colours() {
  const style = getComputedStyle(document.documentElement);
  const get = (name) => style.getPropertyValue(name).trim();
  return {
    paper: get("--paper"), grid: get("--grid"), bold: get("--grid-bold"), trace: get("--trace"),
    overlay: get("--overlay"), text: get("--text"), quiet: get("--quiet"),
    lit: get("--lit"), litGround: get("--lit-ground"), p: get("--wave-p"), qrs: get("--wave-qrs"), t: get("--wave-t"),
    earlier: get("--earlier"),
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
    const y = strip.y - strip.sign * value * gain;
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

function drawLabel(context, strip, plan, lit, palette) {
  context.font = `${lit ? "700" : "500"} 3.4px system-ui, sans-serif`;
  const x = strip.x + 1, y = strip.y - plan.rowHeight / 2 + 4.2;
  if (lit) {
    context.fillStyle = palette.lit;
    context.fillRect(x - 0.7, y - 3.3, context.measureText(strip.label).width + 1.4, 4.4);
  }
  context.fillStyle = lit ? palette.paper : palette.text;
  context.fillText(strip.label, x, y);
  if (strip.x > LEFT_MM + 1) {
    context.strokeStyle = palette.quiet;
    context.lineWidth = 0.3;
    context.beginPath();
    context.moveTo(strip.x, strip.y - 3);
    context.lineTo(strip.x, strip.y + 3);
    context.stroke();
  }
}

// ``lit``: stretches of evidence; ``beats``: for marks (``waves``) and classes (``labels``).
export function drawPaper(canvas, plan, {
  signal, overlay = null, saliency = null, lit = [], beats = [], waves = false, labels = false, speed, gain, zoom,
}) {
  const palette = colours();
  const context = sizeCanvas(canvas, plan.width, plan.height, zoom);
  drawGrid(context, plan.width, plan.height, palette);
  for (const y of plan.pulses) drawPulse(context, y, speed, gain, palette);
  const litStrips = drawLit(context, plan, lit, { speed, palette });
  for (const strip of plan.strips) {
    if (saliency) drawSaliency(context, strip, saliency, speed, plan.rowHeight, palette);
    drawTrace(context, strip, signal, speed, gain, palette.trace, 0.28);
    if (overlay) drawTrace(context, strip, overlay, speed, gain, palette.overlay, 0.22);
  }
  for (const strip of plan.strips) drawLabel(context, strip, plan, litStrips.has(strip), palette);
  if (waves) drawWaves(context, plan, beats, { speed, palette });
  if (labels) drawBeatLabels(context, plan, beats, { speed, palette });
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
