// Bytes as text, and units as factors.
import { FACTS } from "./facts.js";

export function latin1(bytes) {
  let text = "";
  for (const value of bytes) text += String.fromCharCode(value);
  return text;
}

// mV per unit, or null if it is no voltage; a number may stand in front, as in "4.88 uV".
export function millivoltsPer(unit) {
  const text = (unit ?? "").trim().toLowerCase().replaceAll(" ", "");
  const match = /^([-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)?(\D+)$/.exec(text);
  if (match === null || !Object.hasOwn(FACTS.millivolts, match[2])) return null;
  const factor = match[1] === undefined ? 1 : Number(match[1]);
  return factor > 0 && Number.isFinite(factor) ? factor * FACTS.millivolts[match[2]] : null;
}
