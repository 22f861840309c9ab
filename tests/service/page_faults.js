// What is wrong with a page for those who cannot see it as drawn; the rules are of WCAG 2.2: 1.4.3
// contrast, 4.1.2 names, 1.3.1 tables and headings, 3.1.1 language.
() => {
  const faults = [];
  const numbers = (c) => (c.match(/[\d.]+/g) || []).map(Number);
  const linear = (v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = (c) => 0.2126 * linear(c[0]) + 0.7152 * linear(c[1]) + 0.0722 * linear(c[2]);
  const ground = (e) => {
    for (let n = e; n; n = n.parentElement) {
      const c = numbers(getComputedStyle(n).backgroundColor);
      if (c.length && (c.length < 4 || c[3] === 1)) return c;
    }
    return [255, 255, 255];
  };
  for (const e of document.querySelectorAll("body *")) {
    if (!e.checkVisibility({ visibilityProperty: true })) continue;
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || e.closest(".skip")) continue;
    const style = getComputedStyle(e);
    const a = light(numbers(style.color)), b = light(ground(e));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const large = parseFloat(style.fontSize) >= 24;
    if (ratio < (large ? 3 : 4.5)) faults.push(`contrast ${ratio.toFixed(2)}: ${e.textContent.trim().slice(0, 40)}`);
  }
  for (const e of document.querySelectorAll("input, select, button, canvas, svg[role=img], [role=slider], [tabindex='0']")) {
    const named = e.getAttribute("aria-label") || e.getAttribute("aria-labelledby") || e.labels?.length || e.textContent.trim();
    if (!named) faults.push(`no name: ${e.outerHTML.slice(0, 80)}`);
  }
  const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
  if (new Set(ids).size !== ids.length) faults.push("an id is there twice");
  for (const e of document.querySelectorAll("[aria-labelledby], label[for]")) {
    const id = e.getAttribute("aria-labelledby") || e.getAttribute("for");
    if (!document.getElementById(id)) faults.push(`refers to nothing: ${id}`);
  }
  for (const t of document.querySelectorAll("table")) {
    if ([...t.querySelectorAll("th")].some((h) => !h.scope)) faults.push("a heading of a table without scope");
  }
  let before = 0;
  for (const h of document.querySelectorAll("h1, h2, h3, h4")) {
    const level = Number(h.tagName[1]);
    if (level > before + 1) faults.push(`${h.tagName} after H${before}`);
    before = level;
  }
  if (!document.documentElement.lang) faults.push("no language");
  return faults;
}
