// Findings as a table a person can read.

const EPISODES_A_PAGE = 200; // a browser stays quick with them

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

const percent = (value) => `${(100 * value).toFixed(value < 0.1 ? 1 : 0)} %`;

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
  const table = element("table");
  const head = element("tr");
  const regression = answer.target_kind === "regression";
  const long = answer.burden !== undefined;
  const thresholds = answer.findings.some((finding) => finding.threshold !== null);
  const columns = regression ? ["Target", "Value", "Range"] : long ? ["Finding", "Share of the time", ""]
    : ["Finding", "Probability", ...(thresholds ? ["Threshold"] : []), ""];
  for (const name of columns) {
    const cell = element("th", name, ["Value", "Probability", "Threshold", "Share of the time"].includes(name) ? "number" : "");
    cell.scope = "col";
    head.append(cell);
  }
  table.append(element("thead"));
  table.tHead.append(head);
  const body = element("tbody");
  const weight = (f) => f.burden ?? f.probability ?? 0;
  for (const finding of [...answer.findings].sort((a, b) => weight(b) - weight(a))) {
    const row = element("tr");
    if (finding.present) row.className = "present";
    const name = element("th", finding.name);
    name.scope = "row";
    if (finding.description) name.append(element("span", finding.description, "means"));
    if (finding.caveat) name.append(element("span", finding.caveat, "means"));
    row.append(name);
    if (regression) {
      row.append(element("td", `${finding.value?.toPrecision(3) ?? "–"} ${finding.unit ?? ""}`, "number"));
      row.append(element("td", finding.low === null || finding.low === undefined ? "–" : `${finding.low.toPrecision(3)} to ${finding.high.toPrecision(3)}`));
    } else {
      const value = long ? finding.burden : finding.probability;
      row.append(element("td", value === null || value === undefined ? "–" : percent(value), "number"));
      if (!long && thresholds) row.append(element("td", finding.threshold === null ? "–" : percent(finding.threshold), "number"));
      const last = element("td");
      if (value !== null && value !== undefined) last.append(bar(value, long ? null : finding.threshold));
      last.append(element("span", ` ${presence(finding)}`));
      row.append(last);
    }
    body.append(row);
  }
  table.append(body);
  return table;
}

export function showAnswer(answer, jump) {
  document.getElementById("findings").hidden = false;
  const verdict = document.getElementById("verdict");
  const refused = answer.refused;
  verdict.textContent = refused
    ? `Not interpreted: ${refused.message}.`
    : `Signal: ${answer.quality.verdict}. Read from ${answer.leads_used.join(", ")}.${answer.calibrated ? "" : " The probabilities are not calibrated."}`;
  const list = document.getElementById("warnings");
  list.replaceChildren(...answer.quality.warnings.map((notice) => element("li", notice.message)));
  document.getElementById("table").replaceChildren(...(refused ? [] : [findingsTable(answer)]));
  document.getElementById("provenance").textContent = refused ? "" :
    `${answer.model} ${answer.model_version} · ${answer.preprocessing} · ${answer.runtime}`;
  const episodes = answer.episodes || [];
  document.getElementById("events").hidden = episodes.length === 0;
  showEpisodes(episodes, 0, jump);
}

// A page of the episodes, and buttons for the ones before and after it.
function showEpisodes(episodes, first, jump) {
  const shown = episodes.slice(first, first + EPISODES_A_PAGE);
  const list = document.getElementById("event-list");
  list.start = first + 1;
  list.replaceChildren(...shown.map((episode) => {
    const item = element("li");
    const button = element("button", `${clock(episode.start_s)} – ${clock(episode.end_s)}`);
    button.type = "button";
    button.addEventListener("click", () => jump(episode.start_s));
    item.append(button, element("span", ` ${episode.name}`));
    return item;
  }));
  list.scrollTop = 0;
  document.getElementById("event-pages").hidden = episodes.length <= EPISODES_A_PAGE;
  document.getElementById("events-shown").textContent =
    `${first + 1} to ${first + shown.length} of ${episodes.length}`;
  for (const [id, to] of [["events-before", first - EPISODES_A_PAGE], ["events-after", first + EPISODES_A_PAGE]]) {
    const button = document.getElementById(id);
    button.disabled = to < 0 || to >= episodes.length;
    button.onclick = () => showEpisodes(episodes, to, jump);
  }
}

export function clock(seconds) {
  const whole = Math.floor(seconds);
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return parts.map((part) => String(part).padStart(2, "0")).join(":");
}

export function comparisonTable(now, before) {
  const table = element("table");
  const head = element("tr");
  for (const name of ["Finding", "Earlier", "Now"]) {
    const cell = element("th", name);
    cell.scope = "col";
    head.append(cell);
  }
  table.append(element("thead"));
  table.tHead.append(head);
  const body = element("tbody");
  for (const finding of now.findings) {
    const old = before.findings.find((f) => f.name === finding.name);
    const row = element("tr");
    if (old && old.present !== finding.present) row.className = "present";
    const name = element("th", finding.name);
    name.scope = "row";
    const words = (f) => f === undefined ? "–" : `${f.probability === null ? "" : percent(f.probability)} ${presence(f)}`;
    row.append(name, element("td", words(old)), element("td", words(finding)));
    body.append(row);
  }
  table.append(body);
  return table;
}
