// What the network answers, and what is to be known of the signal.

import { addRow, by, element, percent, table } from "./dom.js";

function bar(value, threshold) {
  const box = element("span", undefined, "bar");
  const fill = element("span");
  fill.style.width = `${Math.min(Math.max(100 * value, 0), 100)}%`;
  box.append(fill);
  if (threshold !== null && threshold !== undefined) {
    const mark = element("i");
    mark.style.left = `${100 * threshold}%`;
    mark.title = `threshold ${percent(threshold)}`;
    box.append(mark);
  }
  box.setAttribute("aria-hidden", "true");
  return box;
}

export function presence(finding) {
  if (finding.present === null) return "not decided";
  return finding.present ? "present" : "absent";
}

export function findingsTable(answer) {
  const regression = answer.target_kind === "regression";
  const long = answer.burden !== undefined;
  const thresholds = answer.findings.some((finding) => finding.threshold !== null);
  const made = table(regression ? [["Target"], ["Value", "number"], ["Range"]]
    : long ? [["Finding"], ["Share of the time", "number"], ["Decision"]]
      : [["Finding"], ["Probability", "number"], ...(thresholds ? [["Threshold", "number"]] : []), ["Decision"]]);
  const weight = (f) => f.burden ?? f.probability ?? 0;
  for (const finding of [...answer.findings].sort((a, b) => weight(b) - weight(a))) {
    const head = [finding.name];
    if (finding.description) head.push(element("span", finding.description, "means"));
    if (finding.caveat) head.push(element("span", finding.caveat, "means"));
    if (finding.reason && !answer.reading?.doubt) head.push(element("span", finding.reason, "means"));
    const otherwise = answer.reading?.otherwise?.[finding.name];
    if (otherwise) head.push(element("span", otherwise, "means"));
    let cells;
    if (regression) {
      cells = [[`${finding.value?.toPrecision(3) ?? "–"} ${finding.unit ?? ""}`, "number"],
        [finding.low === null || finding.low === undefined ? "–" : `${finding.low.toPrecision(3)} to ${finding.high.toPrecision(3)}`]];
    } else {
      const value = long ? finding.burden : finding.probability;
      const known = value !== null && value !== undefined;
      cells = [[known ? percent(value) : "–", "number"]];
      if (!long && thresholds) cells.push([finding.threshold === null ? "–" : percent(finding.threshold), "number"]);
      cells.push([[known ? bar(value, long ? null : finding.threshold) : null, element("span", ` ${presence(finding)}`)]]);
    }
    const row = addRow(made, head, cells);
    if (finding.present) row.className = "present";
  }
  return made;
}

export function showNetwork(answer) {
  const { refused } = answer;
  const notCalibrated = refused || answer.calibrated ? "" : " The probabilities are not calibrated.";
  by("verdict").textContent = refused ? `The network did not answer: ${refused.message}.`
    : `Signal: ${answer.quality.verdict}. Read from ${answer.leads_used.join(", ")}.${notCalibrated}`;
  const notices = answer.reading.notices;
  by("warnings").replaceChildren(...notices.map((message) => element("li", message)));
  by("table").replaceChildren(...(refused ? [] : [findingsTable(answer)]));
  by("network").hidden = Boolean(refused);
  by("provenance").textContent = refused ? "" : `${answer.model} ${answer.model_version} · ${answer.preprocessing} · ${answer.runtime}`;
}
