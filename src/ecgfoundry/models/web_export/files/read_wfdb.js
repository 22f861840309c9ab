// WFDB records of one segment: the header and its signal files in the formats 16, 212 and 80
// (a .mat of the PhysioNet challenges is format 16 behind 24 bytes).
import { latin1 } from "./text.js";

const STORAGE = /^(\d{1,5})(?:x(\d+))?(?::(\d+))?(?:\+(\d+))?$/;
const GAIN = /^([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)?(?:\((-?\d+)\))?(?:\/(\S+))?$/;

export function readWfdb(header, files) {
  const lines = latin1(header.bytes).split(/\r?\n/).map((line) => line.trim())
    .filter((line) => line && !line.startsWith("#"));
  const record = /^([^\s/\\:]+)(\/\d+)?\s+(\d+)(?:\s+(.*))?$/.exec(lines[0] ?? "");
  if (record === null) throw new Error(`${header.name} has no WFDB record line`);
  if (record[2]) throw new Error("records of several segments are not read here");
  const count = Number(record[3]);
  if (lines.length - 1 < count || count < 1) throw new Error("the header lacks signal lines");
  const rest = (record[4] ?? "").split(/\s+/).filter(Boolean);
  const rate = rest.length ? Number.parseFloat(rest[0]) : 250;
  const stated = /^\d+$/.test(rest[1] ?? "") ? Number(rest[1]) : 0;
  const specs = lines.slice(1, 1 + count).map(signalSpec);
  const channels = [];
  for (const name of new Set(specs.map((spec) => spec.file))) {
    const file = files.find((one) => one.name === name);
    if (file === undefined) throw new Error(`drop ${name} together with ${header.name}`);
    channels.push(...signalsOfFile(file.bytes, specs.filter((spec) => spec.file === name),
      stated, rate, name));
  }
  const order = new Map(specs.map((spec, k) => [spec, k]));
  channels.sort((one, other) => order.get(one.spec) - order.get(other.spec));
  const ecg = channels.filter((channel) => channel.spec.gainAssumed);
  return { channels, gainAssumed: ecg.length > 0 };
}

function signalSpec(line, number) {
  const fields = line.split(/\s+/);
  const storage = STORAGE.exec(fields[1] ?? "");
  if (storage === null) throw new Error(`the signal line '${line.slice(0, 80)}' has no format`);
  if (Number(storage[2] ?? 1) !== 1 || Number(storage[3] ?? 0) !== 0) {
    throw new Error("signals with several samples per frame or a skew are not read here");
  }
  let at = 2;
  let [gain, baseline, unit] = [0, null, "mV"];
  const match = fields.length > 2 && /^[-+.\d(/]/.test(fields[2]) ? GAIN.exec(fields[2]) : null;
  if (match !== null) {
    at = 3;
    gain = Number(match[1] ?? 0);
    baseline = match[2] === undefined ? null : Number(match[2]);
    unit = match[3] ?? "mV";
  } else if (/^[-+.\d]/.test(fields[2] ?? "")) {
    throw new Error(`the gain '${fields[2]}' is not a number`);
  }
  const numbers = [];
  while (numbers.length < 5 && /^-?\d+$/.test(fields[at] ?? "")) {
    numbers.push(Number(fields[at]));
    at += 1;
  }
  return { file: fields[0], storage: Number(storage[1]), offset: Number(storage[4] ?? 0),
    gain: gain || 200, gainAssumed: gain === 0, baseline: baseline ?? numbers[1] ?? 0, unit,
    name: fields.slice(at).join(" ") || `sig ${number}` };
}

const BYTES = { 16: 2, 212: 1.5, 80: 1 };
const INVALID = { 16: -(2 ** 15), 212: -(2 ** 11), 80: -(2 ** 7) };

function signalsOfFile(bytes, specs, stated, rate, name) {
  const { storage, offset } = specs[0];
  if (!(storage in BYTES) || specs.some((spec) => spec.storage !== storage)) {
    throw new Error(`WFDB format ${storage} is not read here; ecgfoundry itself reads it`);
  }
  const there = Math.floor((bytes.length - offset) / BYTES[storage] / specs.length);
  const frames = stated || there;
  if (frames < 1 || there < frames) {
    throw new Error(`${name} is shorter than its header announces: get it again`);
  }
  const digital = sampleGetter(bytes.subarray(offset), storage);
  return specs.map((spec, column) => {
    const values = new Float64Array(frames);
    for (let k = 0; k < frames; k += 1) {
      const value = digital(k * specs.length + column);
      values[k] = value === INVALID[storage] ? NaN : (value - spec.baseline) / spec.gain;
    }
    return { name: spec.name, unit: spec.unit, rate, values, spec };
  });
}

function sampleGetter(bytes, storage) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (storage === 16) return (n) => view.getInt16(2 * n, true);
  if (storage === 80) return (n) => bytes[n] - 128;
  return (n) => {
    const at = 3 * (n >> 1);
    const raw = n % 2 ? bytes[at + 2] | ((bytes[at + 1] & 0xf0) << 4)
      : bytes[at] | ((bytes[at + 1] & 0x0f) << 8);
    return (raw ^ 0x800) - 0x800;
  };
}
