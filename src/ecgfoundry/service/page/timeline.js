// The heart rate over a whole recording, and below it where something happened.

import { colours } from "./paper.js";

const LEFT = 34, FOOT = 58, LANE = 13;
const LANES = [
  ["AF", (kind) => /atrial fibrillation|flutter/i.test(kind)],
  ["V", (kind) => kind.startsWith("ventricular")],
  ["S", (kind) => kind.startsWith("supraventricular")],
  ["‖", (kind) => kind === "pause"],
];

function scale(rate) {
  const known = [...rate.low, ...rate.high].filter((value) => value !== null);
  const low = Math.min(...known, 60), high = Math.max(...known, 100);
  return [Math.floor(low / 20) * 20, Math.ceil(high / 20) * 20];
}

// ``view``: {start, seconds} of the paper.
export function drawTimeline(canvas, { rate, duration_s: duration, events }, view) {
  const palette = colours();
  const ratio = window.devicePixelRatio || 1;
  const width = canvas.clientWidth, height = canvas.clientHeight;
  if (!width) return;
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  context.fillStyle = palette.paper;
  context.fillRect(0, 0, width, height);
  const x = (seconds) => LEFT + (seconds / duration) * (width - LEFT - 6);
  const [low, high] = scale(rate);
  const bottom = height - FOOT;
  const y = (value) => bottom - ((value - low) / (high - low)) * (bottom - 8);
  context.font = "11px system-ui, sans-serif";
  context.textAlign = "right";
  context.textBaseline = "middle";
  for (let value = low; value <= high; value += high - low > 120 ? 40 : 20) {
    context.strokeStyle = palette.grid;
    context.lineWidth = 1;
    context.beginPath();
    context.moveTo(LEFT, y(value));
    context.lineTo(width - 6, y(value));
    context.stroke();
    context.fillStyle = palette.quiet;
    context.fillText(value, LEFT - 4, y(value));
  }
  const minute = (k) => x(60 * k + 30);
  context.strokeStyle = palette.overlay;
  context.globalAlpha = 0.35;
  context.lineWidth = Math.max(x(60) - x(0) - 0.5, 1);
  context.beginPath();
  rate.low.forEach((value, k) => {
    if (value === null) return;
    context.moveTo(minute(k), y(value));
    context.lineTo(minute(k), y(rate.high[k]) - 1);
  });
  context.stroke();
  context.globalAlpha = 1;
  context.lineWidth = 1.5;
  context.strokeStyle = palette.trace;
  context.beginPath();
  let pen = false;
  rate.median.forEach((value, k) => {
    if (value === null) { pen = false; return; }
    if (pen) context.lineTo(minute(k), y(value)); else context.moveTo(minute(k), y(value));
    pen = true;
  });
  context.stroke();
  LANES.forEach(([label, belongs], lane) => {
    const top = bottom + 6 + lane * LANE;
    context.fillStyle = palette.quiet;
    context.fillText(label, LEFT - 4, top + 5);
    context.fillStyle = palette.lit;
    for (const event of events) {
      if (belongs(event.kind)) context.fillRect(x(event.start_s), top, Math.max(x(event.end_s) - x(event.start_s), 1.5), 9);
    }
  });
  context.strokeStyle = palette.overlay;
  context.lineWidth = 2;
  context.strokeRect(x(view.start), 2, Math.max(x(view.start + view.seconds) - x(view.start), 3), height - 4);
}
