// What the file itself says: whose ECG it is, when it was recorded, what its device measured and stated.

import { clock } from "./findings.js";

const MEASURED = {
  heart_rate_bpm: ["Heart rate", "bpm"], atrial_rate_bpm: ["Atrial rate", "bpm"], rr_ms: ["RR", "ms"],
  p_ms: ["P", "ms"], pr_ms: ["PR", "ms"], qrs_ms: ["QRS", "ms"], qt_ms: ["QT", "ms"], qtc_ms: ["QTc", "ms"],
  qtc_bazett_ms: ["QTc Bazett", "ms"], qtc_fridericia_ms: ["QTc Fridericia", "ms"], p_axis_deg: ["P axis", "°"],
  qrs_axis_deg: ["QRS axis", "°"], t_axis_deg: ["T axis", "°"], qrs_count: ["QRS complexes", ""],
};

const ZONE = /(Z|[+-]\d\d:\d\d(:\d\d)?)$/;

// "2026-03-01 08:30:00 UTC+01:00", or with the remark that no zone is stated.
export function recordedAt(about) {
  if (!about.start_time) return "";
  const zone = about.start_time.match(ZONE);
  const local = about.start_time.replace(ZONE, "").replace("T", " ");
  return `${local} ${zone ? `UTC${zone[0] === "Z" ? "+00:00" : zone[0]}` : "(time zone not stated)"}`;
}

function person(subject) {
  return [subject.identifier ?? "", subject.age === null ? "" : `${subject.age} years`, subject.sex || ""].filter(Boolean);
}

export function facts(about) {
  const rate = `${Number(about.sampling_rate.toFixed(3))} Hz`;
  const length = about.duration_s >= 120 ? clock(about.duration_s) : `${about.duration_s.toFixed(1)} s`;
  return [about.file, about.format, `${about.leads.length} lead${about.leads.length > 1 ? "s" : ""}`, rate, length,
    person(about.subject).join(", "), recordedAt(about)].filter(Boolean).join(" · ");
}

export function filtersStated(about) {
  const words = Object.entries(about.filters).map(([key, value]) => `${key.replaceAll("_", " ")} ${value}`);
  return words.length ? words.join(", ") : "filters not stated";
}

function deviceWords(device) {
  const first = ["manufacturer", "model"].map((key) => device[key]).filter(Boolean);
  const rest = Object.entries(device).filter(([key]) => key !== "manufacturer" && key !== "model")
    .map(([key, text]) => `${key.replaceAll("_", " ")} ${text}`);
  return [...first, ...rest].join(", ");
}

// The head of the recording, on the screen and in print. What a reader looks for and the file does not
// hold is said to be missing; the rest appears where there is some of it.
export function showSource(list, about) {
  const rows = [
    ["Identifier", about.subject.identifier || "not stated in the file"],
    ["Age, sex", person({ ...about.subject, identifier: null }).join(", ")],
    ["Recorded", recordedAt(about) || "not stated in the file"],
    ["Device", deviceWords(about.device)],
    ["Filters of the device", filtersStated(about)],
    ["Measured by the device", Object.entries(about.measurements).map(([key, value]) => {
      const [name, unit] = MEASURED[key] ?? [key, ""];
      return unit === "°" ? `${name} ${value}°` : `${name} ${value} ${unit}`.trim();
    }).join(" · ")],
    ["Stated by the device, unconfirmed", about.statements],
  ];
  list.replaceChildren();
  for (const [name, value] of rows) {
    const lines = Array.isArray(value) ? value : [value];
    if (!lines.some(Boolean)) continue;
    const term = document.createElement("dt");
    term.textContent = name;
    list.append(term, ...lines.filter(Boolean).map((line) => {
      const detail = document.createElement("dd");
      detail.textContent = line;
      return detail;
    }));
  }
}

// A warning where two recordings say that they are of two people; "" otherwise.
export function differentPeople(now, before) {
  const differ = ["identifier", "sex"].filter((key) =>
    now.subject[key] && before.subject[key] && now.subject[key] !== before.subject[key]);
  if (!differ.length) return "";
  const words = differ.map((key) => `${key} ${before.subject[key]} and ${now.subject[key]}`).join(", ");
  return `These two recordings seem to be of different people: ${words}.`;
}
