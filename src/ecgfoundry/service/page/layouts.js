// Where every lead stands on the paper, in millimetres. Nothing here draws.

export const LEFT_MM = 14; // room for the calibration pulse
export const WIDTH_MM = 250; // ten seconds at 25 mm/s
const TOP_MM = 5;
const STANDARD = ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"];
const CHEST = STANDARD.slice(6);
const CABRERA = ["aVL", "I", "-aVR", "II", "aVF", "III"];
const MOST_ROWS = 6; // of a strip in full: the minute that is sent at once

// Height of a row at 10 mm/mV: on paper, too, tall complexes reach into the next row.
const ROW_MM = { "3x4": 25, "6x2": 20, cabrera: 20, "12x1": 14, full: 25, single: 30, strip: 25 };

export function visibleSeconds({ layout, speed, duration = Infinity }) {
  const row = WIDTH_MM / speed;
  return layout === "full" ? row * Math.min(Math.max(Math.ceil(duration / row - 1e-6), 1), MOST_ROWS) : row;
}

export function defaultLayout(leads, duration) {
  if (leads.length >= 6) return "3x4";
  if (leads.length > 1) return "12x1";
  return duration > WIDTH_MM / 25 + 0.5 ? "full" : "single";
}

export function rhythmLeadOf(leads) {
  return ["II", "MLII"].find((lead) => leads.includes(lead)) ?? leads[0];
}

export function ordered(leads) {
  return [...STANDARD.filter((lead) => leads.includes(lead)), ...leads.filter((lead) => !STANDARD.includes(lead))];
}

// Columns of leads, each of a list: what a layout shows beside each other.
function columnsOf(layout, leads) {
  const all = ordered(leads);
  if (layout === "cabrera") {
    const limb = CABRERA.filter((name) => leads.includes(name.replace("-", "")));
    const chest = CHEST.filter((lead) => leads.includes(lead));
    return [limb, chest].filter((column) => column.length);
  }
  const [count, columns] = layout === "6x2" ? [6, 2] : [3, 4];
  const shown = all.slice(0, count * columns);
  const used = Math.max(Math.ceil(shown.length / count), 1);
  const each = Math.ceil(shown.length / used);
  return Array.from({ length: used }, (_, k) => shown.slice(k * each, (k + 1) * each));
}

// Strips: {lead, label, sign, x, width, y (baseline), from, to} in mm and seconds.
// ``rhythm`` marks the strip below the others, of a lead that they show as well.
export function planStrips({ layout, leads, speed, gain, start, rhythmLead, duration }) {
  const row = WIDTH_MM / speed;
  const wide = layout === "12x1" && leads.length <= 3 ? 35 : ROW_MM[layout];
  const rowHeight = wide * Math.max(gain / 10, 0.8);
  const strips = [], pulses = [];
  const addRow = (names, { rhythm = false, from = start } = {}) => {
    const y = TOP_MM + (pulses.length + 0.5) * rowHeight;
    pulses.push(y);
    names.forEach((name, column) => {
      if (name === undefined) return;
      const share = row / names.length;
      const inverted = name.startsWith("-");
      strips.push({
        lead: inverted ? name.slice(1) : name, label: inverted ? `−${name.slice(1)}` : name, sign: inverted ? -1 : 1,
        x: LEFT_MM + (column * WIDTH_MM) / names.length, width: WIDTH_MM / names.length, y,
        from: from + column * share, to: from + (column + 1) * share, rhythm,
      });
    });
  };
  const strip = leads.includes(rhythmLead) ? rhythmLead : rhythmLeadOf(leads);
  if (layout === "full") {
    const rows = Math.round(visibleSeconds({ layout, speed, duration: duration - start }) / row);
    for (let k = 0; k < rows; k++) addRow([strip], { from: start + k * row });
  } else if (layout === "single" || layout === "strip" || leads.length === 1) {
    addRow([strip]);
  } else if (layout === "12x1") {
    for (const lead of ordered(leads)) addRow([lead]);
  } else {
    const columns = columnsOf(layout, leads);
    const rows = Math.max(...columns.map((column) => column.length));
    for (let k = 0; k < rows; k++) addRow(columns.map((column) => column[k]));
    if (layout === "3x4") addRow([strip], { rhythm: true });
  }
  const seconds = visibleSeconds({ layout, speed, duration: duration === undefined ? Infinity : duration - start });
  return { strips, pulses, width: LEFT_MM + WIDTH_MM + 2, height: pulses.length * rowHeight + 2 * TOP_MM, seconds, rowHeight };
}

// The strip at a place of the paper, in mm.
export function stripAt(plan, x, y) {
  return plan.strips.find((s) => x >= s.x && x <= s.x + s.width && Math.abs(y - s.y) <= plan.rowHeight / 2);
}

// The strips in which a moment or stretch of a lead is seen; without a lead, the rhythm strip.
export function stripsOf(plan, lead) {
  if (lead) return plan.strips.filter((strip) => strip.lead === lead);
  const rhythm = plan.strips.filter((strip) => strip.rhythm);
  if (rhythm.length) return rhythm;
  const first = rhythmLeadOf(plan.strips.map((strip) => strip.lead));
  return plan.strips.filter((strip) => strip.lead === first);
}
