// CSV, TSV, semicolons or blanks: one column per lead, a line of names, a time column or a rate.
import { latin1, millivoltsPer } from "./text.js";
import { canonicalLead } from "./leads.js";
import { median, roundHalfEven } from "./arrays.js";

const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;
const COMMA = /^[+-]?\d*,\d+(?:[eE][+-]?\d+)?$/;
const THOUSANDS = /^[+-]?[1-9]\d{0,2},\d{3}$/;
const MISSING = new Set(["", "nan", "na", "n/a", "null", "none", "-", "?"]);
const TIME = /^(?:elapsed |sensor |phone )?(?:time|timestamp|t|seconds|sec|millis|milliseconds)$/;
const COUNTERS = new Set(["sample", "sample #", "samples", "index", "idx", "nseq", "n", "#", ""]);
const NAME_UNIT = /^(.*?)\s*(?:[[(]([^\])]*)[\])]|_(s|ms|us|ns|mv|uv))$/i;
const SECONDS = { s: 1, sec: 1, seconds: 1, ms: 1e-3, us: 1e-6, ns: 1e-9 };
const TIME_WORDS = { seconds: "s", sec: "s", millis: "ms", milliseconds: "ms" };

export function readDelimited(bytes, options) {
  const lines = decoded(bytes).split(/\r\n|\n|\r/);
  const comments = lines.filter((line) => line.startsWith("#"))
    .map((line) => line.replace(/^#+/, "").trim());
  let content = lines.filter((line) => line.trim() && !line.startsWith("#"));
  const separator = /^"?sep=(.)"?$/.exec(content[0] ?? "");
  if (separator !== null) content = content.slice(1);
  const table = laidOut(content, separator === null ? [";", "\t", ",", null] : [separator[1]]);
  if (table === null) throw new Error("the text is no table of numbers");
  let { names, units } = table;
  const comment = (pattern) => comments.map((line) => pattern.exec(line)).find(Boolean)?.[1];
  names ??= comment(/^labels\s*:=\s*(.+)$/i)?.split("\t").map((part) => part.trim()) ?? null;
  units ??= comment(/^units\s*:=\s*(.+)$/i)?.split("\t").map((part) => part.trim()) ?? null;
  let rate = options.rate ??
    (Number(comment(/^sampling rate\s*\(hz\)\s*:=\s*(\S+)/i)?.replace(",", ".")) || null);
  if (names !== null && names.length !== table.columns) names = null;
  if (units !== null && units.length === 1) units = Array(table.columns).fill(units[0]);
  if (units === null || units.length !== table.columns) units = Array(table.columns).fill("");
  if (names !== null) {
    const parts = names.map((name) => NAME_UNIT.exec(name));
    units = units.map((unit, k) => unit || (parts[k]?.[2] ?? parts[k]?.[3] ?? ""));
    names = names.map((name, k) => (parts[k] ? parts[k][1].trim() : name));
  }
  const column = (k) => Float64Array.from(table.rows, (row) => row[k]);
  let keep = Array.from({ length: table.columns }, (_, k) => k);
  if (names !== null) {
    const word = (k) => names[k].trim().toLowerCase();
    const time = keep.find((k) => TIME.test(word(k)));
    keep = keep.filter((k) => !COUNTERS.has(word(k)) && !TIME.test(word(k)));
    if (time !== undefined && rate === null) {
      const unit = units[time].trim().toLowerCase();
      rate = rateOfTimes(column(time), unit in SECONDS ? unit : TIME_WORDS[word(time)]);
    }
  }
  let ecg = keep;
  if (options.leads === null || options.leads.length !== keep.length) {
    ecg = names === null ? [] : keep.filter((k) => canonicalLead(names[k]) !== null);
  }
  if (ecg.length === 0) {
    throw new Error("no column is named as an ECG lead " +
      `(${names === null ? `${keep.length} unnamed` : keep.map((k) => names[k]).join(", ")}): ` +
      "name the leads");
  }
  const stated = new Set(ecg.map((k) => units[k]).filter((unit) => millivoltsPer(unit) !== null));
  if (stated.size > 1 && options.unit === null) {
    throw new Error("the ECG columns have different units");
  }
  const named = options.leads !== null && options.leads.length === ecg.length;
  return { channels: ecg.map((k, n) => ({ name: named ? options.leads[n] : names[k],
    unit: units[k], rate, values: column(k) })) };
}

function decoded(bytes) {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return new TextDecoder("utf-16le").decode(bytes);
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return new TextDecoder("utf-16be").decode(bytes);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return latin1(bytes);
  }
}

function laidOut(content, delimiters) {
  for (const delimiter of delimiters) {
    for (const hasComma of delimiter === "," ? [false] : [false, true]) {
      const table = tryLayout(content, delimiter, hasComma);
      if (table !== null) return table;
    }
  }
  return null;
}

function tryLayout(content, delimiter, hasComma) {
  const isNumber = (cell) => NUMBER.test(cell) || (hasComma && COMMA.test(cell));
  const isCell = (cell) => isNumber(cell) || MISSING.has(cell.toLowerCase());
  const first = content.slice(0, 3).findIndex((line) => {
    const row = cellsOf(line, delimiter);
    return row.some(isNumber) && row.every(isCell);
  });
  if (first < 0 || content.length - first < 3) return null;
  const cells = content.map((line) => cellsOf(line, delimiter));
  const columns = cells[first].length;
  if (delimiter !== null && columns < 2) return null;
  // What does not fit at the beginning is another layout; further on it is a damaged line.
  const wrong = cells.findIndex((row, k) => row.length !== columns ||
    (k >= first && !row.every(isCell)));
  if (wrong >= 0) {
    if (wrong < 1000) return null;
    throw new Error(`a line does not fit the table of ${columns} columns: ` +
      `'${content[wrong].slice(0, 60)}'`);
  }
  if (hasComma) {
    const commas = cells.slice(first).flat().filter((cell) => cell.includes(","));
    if (commas.length === 0 || commas.every((cell) => THOUSANDS.test(cell))) return null;
  }
  const value = (cell) => (isNumber(cell) ? Number(hasComma ? cell.replace(",", ".") : cell) : NaN);
  return { columns, names: first > 0 ? cells[0] : null, units: first > 1 ? cells[1] : null,
    rows: cells.slice(first).map((row) => row.map(value)) };
}

function cellsOf(line, delimiter) {
  let cells = delimiter === null ? line.trim().split(/\s+/) : line.split(delimiter);
  if (cells.length > 2 && delimiter !== null && !cells[cells.length - 1].trim()) {
    cells = cells.slice(0, -1);
  }
  return cells.map((cell) => cell.trim().replace(/^["']+|["']+$/g, "").trim());
}

// The rate of a uniform time column, Hz.
function rateOfTimes(times, unit) {
  const count = times.length;
  const step = (times[count - 1] - times[0]) / (count - 1);
  if (!(step > 0)) throw new Error("the time column does not run forward: give the sampling rate");
  const steps = times.slice(1).map((time, k) => time - times[k]);
  const usual = median(steps.slice(0, 65536));
  for (let k = 0; k < count; k += 1) {
    const isOff = !(Math.abs(times[k] - (times[0] + step * k)) <= 0.75 * step);
    if (isOff || (k > 0 && (steps[k - 1] > 1.76 * Math.max(usual, step) || steps[k - 1] < 0))) {
      throw new Error(`the time column is not uniform (near sample ${k})`);
    }
  }
  let rate = 1 / step;
  if (unit !== undefined) rate /= SECONDS[unit];
  else if (rate < 5 && rate * 1e3 >= 20 && rate * 1e3 < 20000) rate *= 1e3;
  else if (!(rate >= 20 && rate < 20000)) {
    throw new Error("the time column states no unit, as in 'time [ms]': give the sampling rate");
  }
  // The rounding of the first and the last time leaves this much doubt about the rate.
  const doubt = (rate * resolutionOf(times)) / (times[count - 1] - times[0]);
  const whole = roundHalfEven(rate);
  return Math.abs(rate - whole) <= Math.max(doubt, 1e-9 * rate) ? whole : rate;
}

// The decimal place to which the times are rounded.
function resolutionOf(times) {
  const highest = times.reduce((most, time) => Math.max(most, Math.abs(time)), 0);
  const noise = 2 * highest * 2 ** -52;
  const every = Math.max(Math.floor(times.length / 200), 1);
  const sample = times.filter((_, k) => k % every === 0).map((time) => time - times[0]);
  const span = sample.reduce((most, time) => Math.max(most, Math.abs(time)), 0);
  const tolerance = 1e-11 * (1 + span) + noise;
  for (let digits = 0; digits < 10; digits += 1) {
    const scale = 10 ** digits;
    const isRounded = (time) => Math.abs(time - Math.round(time * scale) / scale) <= tolerance;
    if (sample.every(isRounded)) return Math.max(1 / scale, noise);
  }
  return noise;
}
