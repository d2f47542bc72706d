"use strict";
/* Marks: what a listener decides about segments. They stay in this browser, for all reports, and can be saved as CSV. */

const MARKS_KEY = "soundseam.marks";
const MARK_SIGNS = { accept: "✓", reject: "✕" };

const marks = {
  all: new Map(), // segment id → { mark: accept, reject or empty; comment }

  read() {
    try {
      const stored = JSON.parse(localStorage.getItem(MARKS_KEY) || "[]");
      marks.all = new Map(stored.map(([id, mark, comment]) => [String(id), { mark: String(mark), comment: String(comment) }]));
    } catch {
      marks.all = new Map();
    }
  },

  of: (id) => marks.all.get(id) || { mark: "", comment: "" },

  /* Changes the mark or the comment of a segment. Another tab may have changed others, so all are read first. */
  set(id, change) {
    marks.read();
    const changed = { ...marks.of(id), ...change };
    if (changed.mark || changed.comment) marks.all.set(id, changed);
    else marks.all.delete(id);
    try {
      localStorage.setItem(MARKS_KEY, JSON.stringify([...marks.all].map(([key, { mark, comment }]) => [key, mark, comment])));
    } catch (error) {
      byId("marked").textContent = `Marks cannot be stored in this browser: ${error.message}`;
    }
    marks.show();
  },

  /* Marks the segment that is shown; the same mark again removes it. */
  toggle(mark) {
    const item = browser.current;
    if (item && isMarkable(item)) marks.set(item.id, { mark: marks.of(item.id).mark === mark ? "" : mark });
  },

  labels(item) {
    const { mark, comment } = marks.of(item.id);
    return [mark ? `${mark}ed` : "not marked", ...(comment ? ["commented"] : [])];
  },

  here: () => browser.items.filter((item) => isMarkable(item) && marks.all.has(item.id)),

  csv() {
    const quoted = (text) => `"${text.replaceAll('"', '""')}"`;
    const rows = marks.here().map(({ id }) => [id, marks.of(id).mark, marks.of(id).comment].map(quoted).join(","));
    return `${["segment_id,mark,comment", ...rows].join("\r\n")}\r\n`;
  },

  save() {
    const address = URL.createObjectURL(new Blob([marks.csv()], { type: "text/csv" }));
    el("a", { href: address, download: "marks.csv" }).click();
    setTimeout(() => URL.revokeObjectURL(address), 10_000);
  },

  /* Shows the marks in the list, above it, and at the segment. */
  show() {
    const count = marks.here().length;
    byId("marks").hidden = !count;
    byId("marked").textContent = `${count.toLocaleString("en")} marked`;
    browser.draw();
    if (!browser.current || !byId("comment")) return;
    const { mark, comment } = marks.of(browser.current.id);
    for (const name of Object.keys(MARK_SIGNS)) byId(name).setAttribute("aria-pressed", String(mark === name));
    if (document.activeElement !== byId("comment")) byId("comment").value = comment;
  },
};

/* Items without a segment have no caption that could be accepted. */
const isMarkable = (item) => !item.id.startsWith("rejected-");

function markingOf(item) {
  const { mark, comment } = marks.of(item.id);
  const button = (name, label, key) => el("button", { type: "button", id: name, class: name, "aria-pressed": String(mark === name), title: `${label} (${key})`, onclick: () => marks.toggle(name) }, `${MARK_SIGNS[name]} ${label}`);
  const field = el("input", { id: "comment", type: "text", "aria-label": "Comment", placeholder: "Comment", title: "Comment (C)", autocomplete: "off", onchange: (event) => marks.set(item.id, { comment: event.target.value.trim() }), onkeydown: (event) => ["Enter", "Escape"].includes(event.key) && event.target.blur() });
  field.value = comment;
  return el("div", { class: "marking", role: "group", "aria-label": "Mark" }, button("accept", "Accept", "A"), button("reject", "Reject", "R"), field);
}

marks.read();
addEventListener("storage", (event) => { if (event.key === MARKS_KEY) { marks.read(); marks.show(); } });
