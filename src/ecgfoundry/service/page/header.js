// The head of an ECG: whose it is, when and by what it was recorded, and what was measured: ours
// beside the device's.

import { clock, element } from "./dom.js";

const ZONE = /(Z|[+-]\d\d:\d\d(:\d\d)?)$/;

// "2026-03-01 08:30:00 UTC+01:00", or with the remark that no zone is stated.
export function recordedAt(startTime) {
  if (!startTime) return "";
  const zone = startTime.match(ZONE);
  const local = startTime.replace(ZONE, "").replace("T", " ").replace(/\.\d+$/, "");
  return zone ? `${local} UTC${zone[0] === "Z" ? "+00:00" : zone[0]}` : `${local}, time zone not stated`;
}

// A moment of the server's, "2026-03-01 08:30:00" where the reader is; in one order everywhere.
export function localTime(moment) {
  const time = new Date(moment);
  return new Date(time.getTime() - 60000 * time.getTimezoneOffset()).toISOString().slice(0, 19).replace("T", " ");
}

export function person(subject) {
  const born = subject.birth_date ? `born ${subject.birth_date}` : "";
  const age = (subject.age ?? null) === null ? "age unknown" : ageText(subject.age);
  return [born, age, subject.sex || "sex unknown"].filter(Boolean).join(", ");
}

// As ecgfoundry.reports.wording.age_text.
function ageText(years) {
  if (years >= 2) return `${Number(years.toFixed(1))} years`;
  const months = Math.round(12 * years);
  if (months >= 2) return `${months} months`;
  const days = Math.round(365.25 * years);
  return `${days} day${days === 1 ? "" : "s"}`;
}

export function facts(about) {
  const rate = `${Number(about.sampling_rate.toFixed(3))} Hz`;
  const length = about.duration_s >= 120 ? clock(about.duration_s) : `${about.duration_s.toFixed(1)} s`;
  return [about.file, about.format, `${about.leads.length} lead${about.leads.length > 1 ? "s" : ""}`, rate, length].join(" · ");
}

export function filtersStated(about) {
  const words = Object.entries(about.filters).map(([key, value]) => `${key.replaceAll("_", " ")} ${value}`);
  return words.length ? words.join(", ") : "not stated";
}

function deviceWords(device) {
  const first = ["manufacturer", "model"].map((key) => device[key]).filter(Boolean);
  const rest = Object.entries(device).filter(([key]) => key !== "manufacturer" && key !== "model")
    .map(([key, text]) => `${key.replaceAll("_", " ")} ${text}`);
  return [first.join(" "), ...rest].filter(Boolean).join(", ");
}

// "Weber, Anna · 4711"; the name is that of the request or the worklist: no reader of files keeps one.
export function whoIs(subject) {
  const name = (subject.name ?? "").split("^").filter(Boolean).slice(0, 2).join(", ");
  return [name, subject.identifier].filter(Boolean).join(" · ");
}

// Fields a reader looks for; what is not known is said to be missing. ``subject``: of the file, with
// what the request or the worklist has said.
export function showHead(title, list, about, subject) {
  title.textContent = whoIs(subject) || "No identifier in the file";
  const fields = [
    ["Person", person(subject) || "not stated"],
    ["Recorded", recordedAt(about.start_time) || "not stated"],
    ["Device", deviceWords(about.device) || "not stated"],
    ["Filters of the device", filtersStated(about)],
  ];
  list.replaceChildren(...fields.map(([name, text]) => {
    const pair = element("div");
    const value = element("dd", text);
    if (text === "not stated") value.className = "quiet";
    pair.append(element("dt", name), value);
    return pair;
  }));
}

export function showDeviceStatements(box, about) {
  box.hidden = !about.statements.length;
  box.replaceChildren();
  if (box.hidden) return;
  box.append(element("span", "Stated by the device, unconfirmed", "tag"), ` ${about.statements.join(" · ")}`);
}

const FORMULA = { "QT/QTc": "our QTc: Fridericia" };

// ``rows`` of a reading: ours, and the device's where it states one.
export function showMeasurements(box, rows) {
  const stated = rows.some((row) => row.device !== null);
  box.replaceChildren(...rows.map((row) => {
    const cell = element("div", undefined, "measure");
    const value = element("dd", row.text, "value");
    if (row.unit === "°") value.append("°");
    else if (row.unit) value.append(element("span", ` ${row.unit}`, "unit"));
    cell.append(element("dt", row.label), value);
    if (stated) cell.append(element("dd", `device ${row.device ?? "–"}`, "device"));
    if (row.reason) cell.append(element("dd", row.reason, "reason"));
    else if (FORMULA[row.label]) cell.append(element("dd", FORMULA[row.label], "reason"));
    return cell;
  }));
}

const AGE_YEARS = 2; // as ecgfoundry.criteria.serial
const YEAR_MS = 365.25 * 86_400_000;

// A warning where two recordings say that they are of two people; "" otherwise.
export function differentPeople(now, before) {
  const differ = ["identifier", "birth_date", "sex"].filter((key) =>
    now.subject[key] && before.subject[key] && now.subject[key] !== before.subject[key]);
  if (agesDiffer(now, before)) differ.push("age");
  if (!differ.length) return "";
  const words = differ.map((key) => `${key.replace("_", " ")} ${before.subject[key]} and ${now.subject[key]}`).join(", ");
  return `These two recordings seem to be of different people: ${words}.`;
}

function agesDiffer(now, before) {
  const [age, younger] = [now.subject.age, before.subject.age];
  if (typeof age !== "number" || typeof younger !== "number") return false;
  const day = (about) => Date.parse((about.start_time ?? "").slice(0, 10));
  const years = (day(now) - day(before)) / YEAR_MS;
  return Number.isNaN(years) ? younger - age > AGE_YEARS : Math.abs(age - younger - years) > AGE_YEARS;
}
