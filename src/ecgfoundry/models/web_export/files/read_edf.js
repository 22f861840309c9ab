// EDF, EDF+ and BDF, continuous. Files with gaps (EDF+D) are refused.
import { latin1 } from "./text.js";

const WIDTHS = [16, 80, 8, 8, 8, 8, 8, 80, 8, 32];

export function readEdf(bytes, isBdf) {
  const field = (start, length) => latin1(bytes.subarray(start, start + length))
    .split("\0")[0].trim();
  const number = (start, length, what) => {
    const value = Number(field(start, length).replace(",", ".") || NaN);
    if (!Number.isFinite(value)) throw new Error(`${what} of the EDF header is no number`);
    return value;
  };
  const count = number(252, 4, "the number of signals");
  if (!(count >= 1)) throw new Error("the EDF header announces no signals");
  const headerBytes = 256 * (count + 1);
  if (bytes.length < headerBytes) throw new Error("the file ends within its EDF header");
  if (field(192, 5).endsWith("+D")) {
    throw new Error("EDF+ with gaps is not read here; ecgfoundry itself reads it");
  }
  const duration = number(244, 8, "the duration of a data record");
  const width = isBdf ? 3 : 2;
  let place = 256;
  const columns = WIDTHS.map((size) => {
    const starts = Array.from({ length: count }, (_, k) => [place + k * size, size]);
    place += count * size;
    return starts;
  });
  const cell = (column, k) => field(...columns[column][k]);
  const cellNumber = (column, k, what) => number(...columns[column][k], what);
  let recordBytes = 0;
  const stored = Array.from({ length: count }, (_, k) => {
    const samples = cellNumber(8, k, "the samples per record");
    const signal = { name: cell(0, k) || `signal ${k + 1}`, unit: cell(2, k), samples,
      offset: recordBytes, marksMissing: cell(9, k).includes("missing -32768"),
      saysLead: cell(9, k).includes("ecg lead") && cell(0, k).startsWith("ECG "), k };
    recordBytes += samples * width;
    return signal;
  });
  let records = number(236, 8, "the number of data records");
  if (records === -1) records = Math.floor((bytes.length - headerBytes) / recordBytes);
  if (records < 1 || bytes.length < headerBytes + records * recordBytes) {
    throw new Error("the file is shorter than its EDF header announces: get it again");
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const digital = (at) => (isBdf
    ? (view.getUint8(at) | (view.getUint8(at + 1) << 8) | (view.getInt8(at + 2) << 16))
    : view.getInt16(at, true));
  const signals = stored.filter((signal) => !/^[EB]DF Annotations$/.test(signal.name));
  const channels = signals.map(({ name, unit, samples, offset, marksMissing, saysLead, k }) => {
    const [low, high, first, last] = [3, 4, 5, 6].map(
      (column) => cellNumber(column, k, `the range of '${name}'`));
    if (low === high || first === last) throw new Error(`the range of '${name}' is empty`);
    const gain = (high - low) / (last - first);
    const values = new Float64Array(records * samples);
    for (let record = 0; record < records; record += 1) {
      const begin = headerBytes + record * recordBytes + offset;
      for (let n = 0; n < samples; n += 1) {
        const value = digital(begin + n * width);
        values[record * samples + n] = marksMissing && !isBdf && value === -32768
          ? NaN : (value + (low / gain - first)) * gain;
      }
    }
    return { name: saysLead ? name.slice("ECG ".length) : name, unit, rate: samples / duration,
      values, saysLead };
  });
  return { channels };
}
