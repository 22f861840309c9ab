// From dropped files to one recording: {leads, rate, signals, unnamed, gainAssumed, format}.
// The format is recognised by the content; what a file does not say is asked for, never guessed.
import { FACTS } from "./facts.js";
import { canonicalLead } from "./leads.js";
import { readDelimited } from "./read_delimited.js";
import { readDicom } from "./read_dicom.js";
import { readEdf } from "./read_edf.js";
import { readWfdb } from "./read_wfdb.js";
import { latin1, millivoltsPer } from "./text.js";

// files: [{name, bytes}] of one recording; options: {leads, rate, unit}, each null if not given.
export function readRecording(files, options) {
  const headers = files.filter((file) => file.name.toLowerCase().endsWith(".hea"));
  if (headers.length > 1) throw new Error("more than one header: open one recording at a time");
  if (headers.length === 1) {
    return finished(readWfdb(headers[0], files), options, "WFDB", { unknownIsEcg: true });
  }
  if (files.length !== 1) {
    throw new Error("several files without a WFDB header (.hea): open one recording at a time");
  }
  const { name, bytes } = files[0];
  const starts = (text, at = 0) => latin1(bytes.subarray(at, at + text.length)) === text;
  if (starts("DICM", 128)) return finished(readDicom(bytes), options, "DICOM", {});
  const isBdf = bytes[0] === 0xff && starts("BIOSEMI", 1);
  if (isBdf || (starts("0       ") && !latin1(bytes.subarray(0, 256)).includes("\n"))) {
    return finished(readEdf(bytes, isBdf), options, isBdf ? "BDF" : "EDF", {});
  }
  if (bytes.subarray(0, 4096).includes(0) && !(bytes[0] >= 0xfe && bytes[1] >= 0xfe)) {
    throw new Error(/\.(dat|mat)$/i.test(name)
      ? `${name} is the signal file of a WFDB record: drop its header (.hea) together with it`
      : `${name} is of no format that this page reads (CSV, EDF, WFDB, DICOM)`);
  }
  return finished(readDelimited(bytes, options), options, "delimited text", { areAll: true });
}

// Spellings that are electrodes of an EEG or axes of a sensor elsewhere: leads only in company.
const AMBIGUOUS = /^(?:C[1-9]|[DL][123]|[XYZ])$/i;
const NO_ECG = new RegExp("^(?:PLETH|PPG|SPO2|SAO2|RESP|CO2|ETCO2|ABP|ART|BP|NBP|CVP|PAP|ICP|EMG|" +
  "EOG|EEG|PCG|GSR|EDA|TEMP|HR|PULSE|RATE|MARKER|EVENT|TRIGGER|STATUS|ACC|GYR|THOR|ABDO)", "i");

// channels: [{name, unit, rate, values (Float64Array), scale}] as stored; value * scale is in unit.
function finished({ channels, gainAssumed = false }, options, format, { unknownIsEcg, areAll }) {
  let chosen = channels;
  if (options.leads !== null && options.leads.length === channels.length) {
    chosen = channels.map((channel, k) => ({ ...channel, name: options.leads[k] }));
  } else if (!areAll) {
    chosen = ecgChannels(channels, unknownIsEcg ?? false, options.unit);
    if (options.leads !== null) {
      if (options.leads.length !== chosen.length) {
        throw new Error(`${options.leads.length} lead names are given for ${chosen.length} ECG ` +
          `channels (${channels.map((channel) => channel.name).join(", ")})`);
      }
      chosen = chosen.map((channel, k) => ({ ...channel, name: options.leads[k] }));
    }
  }
  if (chosen.length === 0) {
    throw new Error("no channel is named as an ECG lead " +
      `(${channels.map((channel) => channel.name).join(", ")}): name the leads`);
  }
  const rates = new Set(chosen.map((channel) => channel.rate));
  if (rates.size > 1) throw new Error("the ECG leads have different sampling rates");
  const rate = options.rate ?? [...rates][0];
  if (!(rate > 0)) throw new Error("the file does not state its sampling rate: give it");
  const signals = {};
  const unnamed = [];
  for (const { name, unit, values } of chosen) {
    const lead = canonicalLead(name) ?? name;
    if (lead in signals) throw new Error(`lead ${lead} is there more than once: name the leads`);
    const factor = millivoltsPer(options.unit ?? unit);
    if (factor === null) {
      throw new Error(`the unit of ${name} is ${unit ? `'${unit}', no voltage` : "missing"}: give it`);
    }
    if (lead === FACTS.leads.unnamed || canonicalLead(name) === null) unnamed.push(lead);
    signals[lead] = Float32Array.from(values, (value) => {
      const millivolts = Math.fround(value * factor);
      return Number.isFinite(millivolts) ? millivolts : NaN;
    });
  }
  return { leads: Object.keys(signals), rate, signals, unnamed, gainAssumed, format };
}

function ecgChannels(channels, unknownIsEcg, unitOption) {
  const bare = (name) => name.replace(/^(?:POL|EEG)\s+(?=E[CK]G)/i, "");
  const clear = channels.some(({ name, unit }) => !AMBIGUOUS.test(name.trim()) &&
    FACTS.leads.standard.includes(canonicalLead(bare(name))) && millivoltsPer(unit) !== null);
  const withEeg = channels.some(({ name }) => /\bEEG\b|^FP[12Z]\b/i.test(bare(name)));
  return channels.filter(({ name, unit, saysLead }) => {
    if (saysLead) return true;
    // A lead without a unit stays one, so that the missing unit is asked for.
    if (unit && unitOption === null && millivoltsPer(unit) === null) return false;
    const label = bare(name).trim();
    if (AMBIGUOUS.test(label)) return clear && !withEeg && !/^[XYZ]$/i.test(label);
    if (canonicalLead(label) !== null) return true;
    if (/(?<![A-Z])E[CK]G(?![A-Z]{3})/i.test(label)) return !/RATE/i.test(label);
    return unknownIsEcg && !withEeg && !label.split(/[^A-Za-z0-9]+/).some((w) => NO_ECG.test(w));
  });
}
