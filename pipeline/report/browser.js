"use strict";
/* The list: filters, search, and of its rows only those in sight. */

const FACETS = [
  { name: "branch", label: "Branch", of: (item) => item.branches },
  { name: "class", label: "Class", of: (item) => item.classes },
  { name: "verdict", label: "Verdict", of: (item) => item.verdicts },
  { name: "duplicate", label: "Duplicate", of: (item) => item.duplicates },
  { name: "reject", label: "Rejected", of: (item) => item.rejects },
];
const MARGIN_ROWS = 6;
const KEPT_CHUNKS = 12;

const browser = {
  items: [], found: [], current: null, chunks: new Map(), wanted: {}, ready: false, rowHeight: 78,

  async fill(summary) {
    const parts = await Promise.all(Array.from({ length: summary.list_chunks }, (_, chunk) => load(`list-${chunk}`)));
    browser.items = parts.flat();
    for (const item of browser.items) item.hay = `${item.name} ${item.caption} ${item.text} ${item.classes.map(words).join(" ")} ${item.id}`.toLowerCase();
    byId("filters").append(...FACETS.map(facetControl).filter(Boolean));
    byId("search").addEventListener("input", () => browser.filter());
    byId("clear").addEventListener("click", () => browser.only(null));
    byId("list").addEventListener("scroll", () => browser.draw(), { passive: true });
    byId("list").addEventListener("keydown", listKeys);
    addEventListener("resize", () => browser.draw());
    browser.ready = true;
    browser.filter();
    route();
  },

  /* Filters by one value of one facet, or by nothing. */
  only(facet, value) {
    byId("search").value = "";
    for (const select of document.querySelectorAll("#filters select")) select.value = select.dataset.facet === facet ? value : "";
    browser.filter();
  },

  filter() {
    const needles = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const picked = [...document.querySelectorAll("#filters select")].filter((select) => select.value)
      .map((select) => [FACETS.find((facet) => facet.name === select.dataset.facet).of, select.value]);
    browser.found = browser.items.filter((item) => needles.every((needle) => item.hay.includes(needle))
      && picked.every(([of, value]) => (value === "*" ? of(item).length > 0 : of(item).includes(value))));
    const all = browser.items.length;
    byId("count").textContent = browser.found.length === all ? `${all.toLocaleString("en")} entries` : `${browser.found.length.toLocaleString("en")} of ${all.toLocaleString("en")} entries`;
    byId("clear").hidden = !needles.length && !picked.length;
    byId("list").scrollTop = 0;
    browser.draw();
    if (!byId("view-browse").hidden && document.body.dataset.view === "segment" && browser.found.length && !browser.found.includes(browser.current)) browser.open(browser.found[0]);
  },

  draw() {
    const list = byId("list");
    const rows = byId("rows");
    const height = browser.rowHeight;
    rows.style.height = `${browser.found.length * height}px`;
    const first = Math.max(0, Math.floor(list.scrollTop / height) - MARGIN_ROWS);
    const last = Math.min(browser.found.length, Math.ceil((list.scrollTop + list.clientHeight) / height) + MARGIN_ROWS);
    rows.replaceChildren(...browser.found.slice(first, last).map((item, at) => listRow(item, first + at)));
    if (!browser.found.length) rows.append(el("p", { class: "empty" }, "Nothing fits. Try fewer filters."));
    const here = browser.found.indexOf(browser.current);
    if (here >= first && here < last) list.setAttribute("aria-activedescendant", `row-${here}`);
    else list.removeAttribute("aria-activedescendant");
  },

  /* The view was entered, by a link to a segment or without one. */
  enter(id) {
    if (!browser.ready) return;
    browser.draw();
    if (id === null) {
      // On a wide screen the list never stands alone.
      if (matchMedia("(min-width: 900px)").matches && browser.found.length) history.replaceState(null, "", `#s=${encodeURIComponent((browser.found.includes(browser.current) ? browser.current : browser.found[0]).id)}`), route();
      else player.pause();
      return;
    }
    const item = browser.items.find((each) => each.id === id);
    if (!item) return showMissing(id);
    if (item !== browser.current || !byId("detail").hasChildNodes()) browser.show(item);
  },

  open(item) {
    location.hash = `s=${encodeURIComponent(item.id)}`;
  },

  async show(item) {
    browser.current = item;
    browser.reveal();
    const keepsPlaying = player.isPlaying();
    try {
      const details = await browser.chunk(item.chunk);
      if (browser.current === item) {
        showDetail(item, details[item.place], keepsPlaying);
        const next = browser.found[browser.found.indexOf(item) + 1];
        if (next) browser.chunk(next.chunk).catch(() => {});
      }
    } catch (error) {
      byId("detail").replaceChildren(el("p", { class: "notice", role: "alert" }, `${error.message}.`));
    }
  },

  /* Scrolls the list so that the current row is in sight. */
  reveal() {
    const list = byId("list");
    const top = browser.found.indexOf(browser.current) * browser.rowHeight;
    if (top < list.scrollTop) list.scrollTop = top;
    else if (top + browser.rowHeight > list.scrollTop + list.clientHeight) list.scrollTop = top + browser.rowHeight - list.clientHeight;
    browser.draw();
  },

  step(by) {
    if (!browser.found.length) return;
    const here = browser.found.indexOf(browser.current);
    const next = here < 0 ? 0 : Math.max(0, Math.min(browser.found.length - 1, here + by));
    if (next !== here) browser.open(browser.found[next]);
  },

  /* The details of a chunk; the last few chunks stay in memory. */
  chunk(number) {
    const kept = browser.chunks.get(number) || load(`detail-${number}`);
    browser.chunks.delete(number);
    browser.chunks.set(number, kept);
    kept.catch(() => browser.chunks.delete(number));
    if (browser.chunks.size > KEPT_CHUNKS) browser.chunks.delete(browser.chunks.keys().next().value);
    return kept;
  },
};

function listRow(item, at) {
  const here = item === browser.current;
  const time = item.start_ms === null ? "" : `${clock(item.start_ms)} – ${item.end_ms === null ? "" : clock(item.end_ms)}`;
  const marks = [
    item.rejects.length ? el("span", { class: "mark rejected", title: item.rejects.map(words).join(", ") }, "rejected") : null,
    item.duplicates.length ? el("span", { class: "mark duplicate", title: item.duplicates.join(", ") }, "duplicate") : null,
    item.branches.map((branch) => el("span", { class: "dot", "--colour": colourOf(branch), title: branch })),
  ];
  return el("div", { class: "row", role: "option", id: `row-${at}`, "aria-selected": String(here), "aria-setsize": browser.found.length, "aria-posinset": at + 1, "--at": at, onclick: () => browser.open(item) },
    el("div", { class: "row-head" }, el("span", { class: "row-name" }, item.name), el("span", { class: "row-time" }, time), el("span", { class: "marks" }, marks)),
    el("div", { class: "row-text" }, item.caption || (item.rejects.length ? item.rejects.map(words).join(", ") : "no caption")));
}

function facetControl(facet) {
  const counts = new Map();
  for (const item of browser.items) for (const value of facet.of(item)) counts.set(value, (counts.get(value) || 0) + 1);
  if (!counts.size) return null;
  const values = [...counts].sort((one, other) => other[1] - one[1]);
  return el("label", { class: "facet" }, el("span", {}, facet.label),
    el("select", { "data-facet": facet.name, onchange: () => browser.filter() }, el("option", { value: "" }, "all"),
      facet.name === "reject" ? el("option", { value: "*" }, "any reason") : null,
      values.map(([value, count]) => el("option", { value }, `${words(value)} (${count})`))));
}

function listKeys(event) {
  const pages = Math.max(1, Math.floor(byId("list").clientHeight / browser.rowHeight) - 1);
  const by = { ArrowDown: 1, ArrowUp: -1, PageDown: pages, PageUp: -pages, End: browser.found.length, Enter: 0 }[event.key];
  if (by === undefined) return;
  event.preventDefault();
  event.stopPropagation();
  if (by === 0 && browser.current) browser.open(browser.current);
  else browser.step(by);
}
