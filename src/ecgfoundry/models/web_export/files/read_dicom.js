// DICOM waveform objects in explicit little endian.
import { FACTS } from "./facts.js";
import { canonicalLead } from "./leads.js";
import { latin1 } from "./text.js";

const LONG = new Set("OB OD OF OL OV OW SQ SV UC UN UR UT UV".split(" "));
const UNDEFINED = 0xffffffff;
const TYPES = { SB: ["getInt8", 1], UB: ["getUint8", 1], SS: ["getInt16", 2],
  US: ["getUint16", 2], SL: ["getInt32", 4], UL: ["getUint32", 4] };
const UNITS = { "uv": "uV", "mv": "mV", "v": "V", "nv": "nV", "µv": "uV", "[uv]": "uV",
  "microvolt": "uV", "millivolt": "mV" };
const BEAT = /MEDIAN|BEAT|AVERAGE|TEMPLATE|REPRESENTATIVE/i;

export function readDicom(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const file = elementsOf(view, 132, bytes.length, 0).elements;
  const syntax = textOf(file.get(0x00020010), bytes);
  if (syntax !== "1.2.840.10008.1.2.1") {
    throw new Error(`the DICOM transfer syntax ${syntax || "(none)"} is not read here; ` +
      "ecgfoundry itself reads the others");
  }
  const items = file.get(0x54000100)?.items ?? [];
  if (items.length === 0) throw new Error("the DICOM object holds no waveform");
  const groups = items.map((item) => groupOf(item, view, bytes));
  const rhythm = groups.filter((group) => !BEAT.test(group.label));
  const chosen = [];
  for (const group of rhythm.length ? rhythm : groups) {
    const names = chosen.flatMap((one) => one.channels.map((channel) => channel.name));
    const isOther = group.channels.some((channel) => names.includes(channel.name));
    if (chosen.length === 0 || (group.rate === chosen[0].rate && !isOther)) chosen.push(group);
  }
  if (new Set(chosen.map((group) => `${group.offset} ${group.samples}`)).size > 1) {
    throw new Error("multiplex groups that begin at different times are not read here");
  }
  return { channels: chosen.flatMap((group) => group.channels) };
}

function groupOf(item, view, bytes) {
  const number = (tag) => {
    const element = item.get(tag);
    if (element === undefined) return NaN;
    return element.length === 2 ? view.getUint16(element.at, true) : view.getUint32(element.at, true);
  };
  const [count, samples] = [number(0x003a0005), number(0x003a0010)];
  const definitions = item.get(0x003a0200)?.items ?? [];
  if (!(count >= 1 && samples >= 1) || definitions.length !== count) {
    throw new Error("a multiplex group does not define its channels");
  }
  const stored = textOf(item.get(0x54001006), bytes);
  if (!(stored in TYPES)) throw new Error(`samples of the kind '${stored}' are not read`);
  const [getter, width] = TYPES[stored];
  const data = item.get(0x54001010);
  if (number(0x54001004) !== 8 * width || data === undefined ||
      data.length < count * samples * width) {
    throw new Error("a multiplex group has fewer samples than it states");
  }
  const rate = decimal(item.get(0x003a001a), bytes);
  const padding = item.get(0x5400100a);
  const missing = padding && padding.length >= width ? view[getter](padding.at, true) : null;
  const channels = definitions.map((definition, k) => {
    const sensitivity = decimal(definition.get(0x003a0210), bytes) ?? 1;
    const gain = sensitivity * (decimal(definition.get(0x003a0212), bytes) ?? 1);
    const baseline = decimal(definition.get(0x003a0213), bytes) ?? 0;
    const skew = decimal(definition.get(0x003a0214), bytes) ??
      (decimal(definition.get(0x003a0215), bytes) ?? 0) / rate;
    if (Math.abs(skew * rate) >= 0.5) throw new Error("channels with a time skew are not read here");
    const values = new Float64Array(samples);
    for (let n = 0; n < samples; n += 1) {
      const value = view[getter](data.at + (n * count + k) * width, true);
      values[n] = value === missing ? NaN : value * gain + baseline;
    }
    return { name: leadName(definition, bytes), unit: unitOf(definition, bytes), rate, values };
  });
  return { label: textOf(item.get(0x003a0020), bytes), channels, samples, rate,
    offset: decimal(item.get(0x00181068), bytes) ?? 0 };
}

function leadName(item, bytes) {
  const source = item.get(0x003a0208)?.items[0];
  const code = textOf(source?.get(0x00080100), bytes);
  const scheme = textOf(source?.get(0x00080102), bytes).toUpperCase();
  const pattern = { SCPECG: /^5\.6\.3-9-(\d{1,3})$/, MDC: /^2:(\d{1,3})$/ }[scheme];
  const match = pattern?.exec(code);
  if (match && match[1] in FACTS.leads.scp) return FACTS.leads.scp[match[1]];
  if (code && canonicalLead(code) !== null) return code;
  const full = textOf(source?.get(0x00080104), bytes);
  const meaning = full.replace(/\s*\(.*\)$/, "");
  if (meaning && canonicalLead(meaning) !== null) return meaning;
  const label = textOf(item.get(0x003a0203), bytes);
  return (label && full.startsWith(label) ? full : label || meaning) || "unnamed";
}

function unitOf(item, bytes) {
  const units = item.get(0x003a0211)?.items[0];
  const code = textOf(units?.get(0x00080100), bytes);
  const meaning = textOf(units?.get(0x00080104), bytes);
  return UNITS[code.toLowerCase()] ?? UNITS[meaning.toLowerCase()] ?? code;
}

function textOf(element, bytes) {
  if (element === undefined || element.items !== undefined) return "";
  return latin1(bytes.subarray(element.at, element.at + element.length)).replace(/^[\0 ]+|[\0 ]+$/g, "");
}

function decimal(element, bytes) {
  const text = textOf(element, bytes).split("\\")[0].trim();
  const value = Number(text);
  return text && Number.isFinite(value) ? value : null;
}

// tag -> {at, length} or {items}; up to the end or an item delimiter.
function elementsOf(view, position, end, depth) {
  if (depth > 12) throw new Error("DICOM sequences are nested too deeply");
  const elements = new Map();
  while (position + 8 <= end) {
    const tag = view.getUint16(position, true) * 65536 + view.getUint16(position + 2, true);
    if (tag === 0xfffee00d) return { elements, position: position + 8 };
    const vr = String.fromCharCode(view.getUint8(position + 4), view.getUint8(position + 5));
    if (!/^[A-Z]{2}$/.test(vr)) throw new Error("an element has no value representation");
    const isLong = LONG.has(vr);
    const at = position + (isLong ? 12 : 8);
    if (at > end) throw new Error("the file ends within a DICOM element");
    const length = isLong ? view.getUint32(position + 8, true) : view.getUint16(position + 6, true);
    if (length !== UNDEFINED && at + length > end) {
      throw new Error("the file ends within a DICOM element: get it again");
    }
    if (vr === "SQ") {
      const found = itemsOf(view, at, length === UNDEFINED ? end : at + length, depth + 1);
      elements.set(tag, { items: found.items });
      position = length === UNDEFINED ? found.position : at + length;
    } else if (length === UNDEFINED) {
      throw new Error("an element of undefined length is not read here");
    } else {
      elements.set(tag, { at, length });
      position = at + length;
    }
  }
  return { elements, position };
}

function itemsOf(view, position, end, depth) {
  const items = [];
  while (position + 8 <= end) {
    const tag = view.getUint16(position, true) * 65536 + view.getUint16(position + 2, true);
    const length = view.getUint32(position + 4, true);
    if (tag === 0xfffee0dd) return { items, position: position + 8 };
    if (tag !== 0xfffee000) throw new Error("a DICOM sequence is damaged");
    const begin = position + 8;
    const stop = length === UNDEFINED ? end : begin + length;
    if (stop > end) throw new Error("a DICOM item reaches behind its sequence");
    const found = elementsOf(view, begin, stop, depth + 1);
    items.push(found.elements);
    position = length === UNDEFINED ? found.position : stop;
  }
  return { items, position };
}
