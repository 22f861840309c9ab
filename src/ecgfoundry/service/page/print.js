// What stands on every printed page: whose ECG it is, when it was printed, the number of the page.
//
// Boxes of the margin repeat by themselves. Their text is put into a style sheet of its own, because
// nothing else reaches them.

import { whoIs } from "./header.js";

const sheet = new CSSStyleSheet();
document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];

const quoted = (text) => `"${text.replace(/[\\"]/g, "\\$&").replace(/[\n\r\f]/g, " ")}"`;

export function printStamp(about, subject, now = new Date()) {
  const who = [whoIs(subject ?? {}) || "Identifier not stated", subject?.birth_date ? `born ${subject.birth_date}` : ""].filter(Boolean).join(", ");
  const minute = new Date(now.getTime() - 60000 * now.getTimezoneOffset()).toISOString().slice(0, 16).replace("T", " ");
  const zone = -now.getTimezoneOffset();
  const offset = `UTC${zone < 0 ? "-" : "+"}${String(Math.floor(Math.abs(zone) / 60)).padStart(2, "0")}:${String(Math.abs(zone) % 60).padStart(2, "0")}`;
  sheet.replaceSync(`@page {
    size: landscape; margin: 11mm 6mm 9mm;
    @top-left { content: ${quoted(`${who} · ${about?.file ?? ""}`)}; font: 9pt system-ui, sans-serif; }
    @top-right { content: ${quoted(`Printed ${minute} ${offset} · unconfirmed · page `)} counter(page) " of " counter(pages); font: 9pt system-ui, sans-serif; }
    @bottom-left { content: "ecgfoundry · not a medical device · unconfirmed automatic findings, for research only"; font: 7pt system-ui, sans-serif; }
  }`);
}
