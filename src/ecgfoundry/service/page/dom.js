// Making and finding parts of the page.

export const by = (id) => document.getElementById(id);

export function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined && text !== null) made.textContent = text;
  if (className) made.className = className;
  return made;
}

export function button(text, action, className) {
  const made = element("button", text, className);
  made.type = "button";
  made.addEventListener("click", action);
  return made;
}

// A table with a head: columns are [name, class]; rows are filled by the caller.
export function table(columns) {
  const made = element("table");
  const head = made.createTHead().insertRow();
  for (const [name, className] of columns) {
    const cell = element("th", name, className);
    cell.scope = "col";
    head.append(cell);
  }
  made.createTBody();
  return made;
}

export function addRow(made, head, cells) {
  const row = made.tBodies[0].insertRow();
  const first = element("th");
  first.scope = "row";
  first.append(...[head].flat());
  row.append(first);
  for (const [content, className] of cells) {
    const cell = element("td", undefined, className);
    cell.append(...[content].flat().filter((part) => part !== null && part !== undefined));
    row.append(cell);
  }
  return row;
}

export function clock(seconds) {
  const whole = Math.floor(seconds);
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return parts.map((part) => String(part).padStart(2, "0")).join(":");
}

// As ecgfoundry.reports.wording.share_text: never rounded onto a certainty that the model does not have.
export function percent(value) {
  if (value > 0 && value < 0.01) return "<1 %";
  if (value > 0.99 && value < 1) return ">99 %";
  return `${(100 * value).toFixed(0)} %`;
}

const DIGITS = { mV: 2, "/min": 0, ms: 0, deg: 0 };
const UNIT = { deg: "°", "/min": "/min" };

// A value with its unit as it is printed: with a minus and not a hyphen, and never "−0".
export function quantity(value, unit, plus = false) {
  const digits = DIGITS[unit] ?? 1;
  const rounded = Number(value.toFixed(digits)) || 0;
  const sign = plus && rounded > 0 ? "+" : "";
  return `${sign}${rounded.toFixed(digits).replace("-", "−")}${UNIT[unit] ?? ` ${unit}`}`;
}
