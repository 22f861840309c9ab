// Median beats of two recordings over each other, true to scale: 25 mm/s, 10 mm/mV, a lead each.

import { colours, drawGrid, sizeCanvas } from "./paper.js";

const LEAD_MM = 25, COLUMNS = 6, ABOVE_MM = 5;

function curve(context, times, values, { x, y, from, to }, colour, line) {
  context.strokeStyle = colour;
  context.lineWidth = line;
  context.lineJoin = "round";
  context.beginPath();
  let pen = false;
  times.forEach((time, k) => {
    if (values[k] === null || time < from || time > to) { pen = false; return; }
    const place = [x + ((time - from) / 1000) * 25, y - values[k] * 10];
    if (pen) context.lineTo(...place); else context.moveTo(...place);
    pen = true;
  });
  context.stroke();
}

// ``changed``: leads in which something changed; their names stand out.
export function drawMedians(canvas, beats, changed, zoom = 1) {
  const palette = colours();
  const columns = Math.min(COLUMNS, beats.length);
  const rows = Math.ceil(beats.length / columns);
  const from = -300, to = 620;
  const width = columns * LEAD_MM, height = rows * LEAD_MM + 2 * ABOVE_MM;
  const context = sizeCanvas(canvas, width, height, zoom);
  drawGrid(context, width, height, palette);
  beats.forEach((beat, k) => {
    const place = { x: (k % columns) * LEAD_MM + 1, y: ABOVE_MM + (Math.floor(k / columns) + 0.6) * LEAD_MM, from, to };
    curve(context, beat.time_ms, beat.earlier, place, palette.earlier, 0.35);
    curve(context, beat.time_ms, beat.later, place, palette.trace, 0.35);
    context.font = `${changed.has(beat.lead) ? "700" : "500"} 3.4px system-ui, sans-serif`;
    context.fillStyle = changed.has(beat.lead) ? palette.lit : palette.text;
    context.fillText(beat.lead, place.x + 1, place.y - 0.6 * LEAD_MM + 4);
  });
}
