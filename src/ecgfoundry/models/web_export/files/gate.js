// The quality gate: can this window be read, is it an ECG, and what should its reader know?
import { FACTS } from "./facts.js";
import { assessWindow, isReadable } from "./quality.js";
import { recognise } from "./recognition.js";

// signals: lead -> row in mV. Returns {refusal, warnings, figures, beats}.
export function judgeWindow(signals, rate) {
  const quality = assessWindow(signals, rate);
  if (quality.refusal !== null) return { ...quality, beats: null };
  const leads = Object.keys(signals).filter(
    (lead) => lead in quality.figures && isReadable(quality.figures[lead]));
  const found = recognise(leads.map((lead) => signals[lead]), rate);
  const { beats } = found;
  if (found.reason !== null) {
    const code = found.reason === "no-beats" ? "no-beats" : "not-an-ecg";
    const message = `not read as an ECG (${leads.join(", ")}): ${FACTS.recognition_words[found.reason]}`;
    return { ...quality, warnings: [], refusal: { code, message, leads }, beats };
  }
  const warnings = [...quality.warnings];
  const words = FACTS.gate_words;
  if (found.isDoubtful) {
    warnings.push({ code: words.doubt_code, leads, message: `${leads.join(", ")}: ${words.doubt}` });
  }
  const known = leads.filter((_, k) => Number.isFinite(found.snr?.[k]));
  const noisy = known.filter((lead) => found.snr[leads.indexOf(lead)] < FACTS.gate.LOW_SNR_DB);
  if (noisy.length === 0 || noisy.length < FACTS.gate.NOISY_SHARE * known.length) {
    return { ...quality, warnings, beats };
  }
  warnings.push({ code: words.code, leads: noisy, message: `${noisy.join(", ")}: ${words.noise}` });
  return { ...quality, warnings, beats };
}
