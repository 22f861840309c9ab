// What is drawn over a trace beside the trace: marks at P, QRS and T, beat classes, lit evidence.

import { stripsOf } from "./layouts.js";

const inside = (strip, time) => time >= strip.from - 1e-9 && time < strip.to;
const xOf = (strip, time, speed) => strip.x + (time - strip.from) * speed;

function tick(context, x, y, height) {
  context.moveTo(x, y);
  context.lineTo(x, y - height);
}

// P onset, a bracket from QRS onset to J, the end of T: at the foot of every strip.
export function drawWaves(context, plan, beats, { speed, palette }) {
  const foot = plan.rowHeight / 2 - 0.6;
  for (const strip of plan.strips) {
    const y = strip.y + foot;
    for (const beat of beats) {
      if (beat.time_s < strip.from - 1 || beat.time_s > strip.to + 1) continue;
      for (const [time, colour] of [[beat.p_s, palette.p], [beat.t_offset_s, palette.t]]) {
        if (time === null || !inside(strip, time)) continue;
        context.strokeStyle = colour;
        context.lineWidth = 0.4;
        context.beginPath();
        tick(context, xOf(strip, time, speed), y, 2.4);
        context.stroke();
      }
      const [onset, offset] = [beat.qrs_onset_s, beat.qrs_offset_s];
      if (onset !== null && offset !== null && inside(strip, onset) && offset <= strip.to) {
        context.strokeStyle = palette.qrs;
        context.lineWidth = 0.4;
        context.beginPath();
        tick(context, xOf(strip, onset, speed), y, 2.4);
        context.moveTo(xOf(strip, onset, speed), y);
        context.lineTo(xOf(strip, offset, speed), y);
        tick(context, xOf(strip, offset, speed), y, 2.4);
        context.stroke();
      }
    }
  }
}

// The class of every beat above the rhythm strip; the usual ones quietly.
export function drawBeatLabels(context, plan, beats, { speed, palette }) {
  context.textAlign = "center";
  for (const strip of stripsOf(plan, null)) {
    for (const beat of beats) {
      if (!inside(strip, beat.time_s)) continue;
      const usual = beat.label === "N";
      context.font = usual ? "2.6px system-ui, sans-serif" : "600 3.4px system-ui, sans-serif";
      context.fillStyle = usual ? palette.quiet : palette.lit;
      const x = xOf(strip, beat.time_s, speed);
      if (x > strip.x + 9) context.fillText(beat.label, x, strip.y - plan.rowHeight / 2 + 2.2);
    }
  }
  context.textAlign = "start";
}

// The strips in which a stretch is lit; "*" is every lead.
export function stripsFor(plan, lead) {
  return lead === "*" ? plan.strips : stripsOf(plan, lead);
}

// The stretches that are on the paper.
export function shownStretches(plan, stretches) {
  return stretches.filter((one) => stripsFor(plan, one.lead).some((s) => one.from < s.to && one.to > s.from));
}

// Lit stretches, below the trace; their leads are returned, to be named in the same colour.
export function drawLit(context, plan, stretches, { speed, palette }) {
  const lit = new Set();
  for (const one of stretches) {
    for (const strip of stripsFor(plan, one.lead)) {
      const from = Math.max(one.from, strip.from), to = Math.min(one.to, strip.to);
      if (to <= from) continue;
      lit.add(strip);
      const x = xOf(strip, from, speed), width = Math.max((to - from) * speed, 0.5);
      context.fillStyle = palette.litGround;
      context.fillRect(x, strip.y - plan.rowHeight / 2 + 0.4, width, plan.rowHeight - 0.8);
      context.fillStyle = palette.lit;
      context.fillRect(x, strip.y + plan.rowHeight / 2 - 0.9, width, 0.5);
    }
  }
  return lit;
}
