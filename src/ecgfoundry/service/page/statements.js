// Our statements, each with what it rests on. Choosing one lights its evidence on the trace.

import { button, element } from "./dom.js";

const BY = { criteria: "criteria", network: "network", both: "criteria and network", comparison: "comparison", nobody: "not decided" };

const capital = (text) => (/^[a-z][a-z]/.test(text) ? text[0].toUpperCase() + text.slice(1) : text);

function evidenceList(statement) {
  const box = element("div", undefined, "evidence");
  const care = statement.needs_confirmation ? "A physician has to confirm it before anybody acts upon it." : "";
  for (const words of [statement.meaning, statement.caveat, care]) if (words) box.append(element("p", words));
  const list = element("ul");
  const lines = new Map(statement.evidence.map((item) => {
    const words = `${item.met === null ? "not known: " : item.met ? "" : "not met: "}${item.words}`;
    return [words, item];
  }));
  for (const [words, item] of lines) list.append(element("li", words, item.met ? "met" : "unmet"));
  box.append(list);
  const sources = new Set([...lines.values()].filter((item) => item.met && item.source).map((item) => item.source));
  if (sources.size) box.append(element("p", `Limits: ${[...sources].join("; ")}.`, "hint"));
  return box;
}

export class Statements {
  // ``choose`` is called with a statement, or null.
  constructor(list, choose) {
    this.list = list;
    this.choose = choose;
    this.chosen = null;
    list.addEventListener("keydown", (event) => this.key(event));
  }

  // ``doubt``: why nothing is stated, in a sentence.
  show(statements, doubt = null, caveats = []) {
    this.chosen = null;
    this.list.replaceChildren();
    for (const [words, possible] of [["Present", false], ["Possible", true]]) {
      const own = statements.filter((one) => one.possible === possible);
      if (!own.length) continue;
      const list = element("ul");
      list.append(...own.map((statement) => this.item(statement)));
      this.list.append(element("h3", words), list);
    }
    if (!statements.length) this.list.append(element("p", doubt ?? "No statement of ours is present.", doubt ? "doubt" : "quiet"));
    for (const words of caveats) this.list.append(element("p", words, "hint"));
  }

  item(statement) {
    const item = element("li");
    const toggle = button("", () => this.toggle(item, statement), "statement");
    toggle.setAttribute("aria-expanded", "false");
    const name = element("span", `${capital(statement.words)} `, "name");
    name.append(element("span", BY[statement.decided_by], "by"));
    toggle.append(name, element("span", statement.because, "because"));
    item.append(toggle);
    if (statement.contradicts.length) {
      item.append(element("p", `Contradicts: ${statement.contradicts.join(", ")}`, "contradiction"));
    }
    return item;
  }

  toggle(item, statement) {
    const same = this.chosen === statement;
    for (const open of this.list.querySelectorAll("[aria-expanded=true]")) open.setAttribute("aria-expanded", "false");
    for (const shown of this.list.querySelectorAll(".evidence")) shown.remove();
    this.chosen = same ? null : statement;
    if (!same) {
      item.querySelector("button").setAttribute("aria-expanded", "true");
      item.append(evidenceList(statement));
    }
    this.choose(this.chosen);
  }

  // Put the light out, and stay where the reader was.
  unchoose() {
    const open = this.list.querySelector("[aria-expanded=true]");
    open?.click();
    open?.focus();
  }

  key(event) {
    const buttons = [...this.list.querySelectorAll("button.statement")];
    const at = buttons.indexOf(document.activeElement);
    if (at < 0) return;
    if (event.key === "Escape") this.unchoose();
    else if (event.key === "ArrowDown") buttons[Math.min(at + 1, buttons.length - 1)].focus();
    else if (event.key === "ArrowUp") buttons[Math.max(at - 1, 0)].focus();
    else return;
    event.preventDefault();
  }
}

// What could not be decided, by reason; and how many were looked for and are absent.
export function showUndecided(box, reading) {
  const count = reading.undecided.reduce((sum, group) => sum + group.names.length, 0);
  box.hidden = !count && !reading.absent;
  box.querySelector("summary").textContent = `Not decided: ${count} · looked for and absent: ${reading.absent}`;
  const list = box.querySelector("ul");
  list.replaceChildren(...reading.undecided.map((group) => {
    const line = element("li");
    line.append(element("strong", `${capital(group.reason)}: `), group.names.join(", "));
    return line;
  }));
}
