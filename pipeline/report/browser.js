"use strict";
/* The list: filters, search, order; only the visible rows are elements. */

const FACETS = [
  { name: "branch", label: "Branch", of: (item) => item.branches },
  { name: "class", label: "Class", of: (item) => item.classes },
  { name: "verdict", label: "Verdict", of: (item) => item.verdicts },
  { name: "duplicate", label: "Duplicate", of: (item) => item.duplicates },
  { name: "reject", label: "Rejected", of: (item) => item.rejects },
];
const MARKS = { name: "mark", label: "Mark", of: marks.labels, values: ["accepted", "rejected", "commented", "not marked"] };
const ALL_FACETS = [...FACETS, MARKS];
const lengthOf = (item) => (item.start_ms === null || item.end_ms === null ? null : item.end_ms - item.start_ms);
const negated = (value) => (value === null ? null : -value);
const ORDERS = [
  { name: "", label: "recording and time", by: null },
  { name: "longest", label: "longest first", by: (item) => negated(lengthOf(item)) },
  { name: "shortest", label: "shortest first", by: lengthOf },
  { name: "claims", label: "least probable claim first", by: (item) => item.scores.probability },
  { name: "agreement", label: "least agreement first", by: (item) => item.scores.agreement },
  { name: "noise", label: "noisiest speech first", by: (item) => item.scores.snr_db },
  { name: "quality", label: "worst speech quality first", by: (item) => item.scores.quality },
];
const MARGIN_ROWS = 6;
const CACHED_CHUNKS = 12;

const browser = {
  items: [], found: [], current: null, chunks: new Map(), ready: false, rowHeight: 78,

  async fill(summary) {
    const parts = await Promise.all(Array.from({ length: summary.list_chunks }, (_, chunk) => load(`list-${chunk}`)));
    browser.items = parts.flat();
    for (const item of browser.items) item.searchText = `${item.name} ${item.caption} ${item.text} ${item.classes.map(words).join(" ")} ${item.id}`.toLowerCase();
    byId("filters").append(...ALL_FACETS.map(facetControl).filter(Boolean), orderControl());
    byId("search").addEventListener("input", () => browser.filter());
    byId("clear").addEventListener("click", () => browser.only(null));
    byId("save-marks").addEventListener("click", marks.save);
    byId("list").addEventListener("scroll", () => browser.draw(), { passive: true });
    byId("list").addEventListener("keydown", listKeys);
    addEventListener("resize", () => browser.draw());
    browser.ready = true;
    // Before anything writes the address.
    const { options } = parsedAddress();
    if (options.size) browser.choose(options);
    else browser.filter();
    marks.show();
    route();
  },

  /* Filters by one value of one facet, or by nothing. */
  only(facet, value) {
    byId("search").value = "";
    for (const select of facetSelects()) select.value = select.dataset.facet === facet ? value : "";
    browser.filter();
  },

  /* The filters and the order, as they are in the address. */
  options() {
    const chosen = [["q", byId("search").value.trim()], ...facetSelects().map((select) => [select.dataset.facet, select.value]), ["sort", byId("sort").value]];
    return new Map(chosen.filter(([, value]) => value));
  },

  /* Takes the filters of an address; an address without any leaves them as they are. */
  choose(options) {
    if (!options.size || sameEntries(options, browser.options())) return;
    byId("search").value = options.get("q") || "";
    for (const select of [...facetSelects(), byId("sort")]) {
      const value = options.get(select.dataset.facet || "sort") || "";
      select.value = [...select.options].some((option) => option.value === value) ? value : "";
    }
    browser.filter();
  },

  address(id) {
    const options = [...browser.options()].map(([name, value]) => `&${name}=${encodeURIComponent(value)}`);
    return `#${id === null ? "browse" : `s=${encodeURIComponent(id)}`}${options.join("")}`;
  },

  writeAddress() {
    const { view, id } = parsedAddress();
    if (view === "browse") history.replaceState(null, "", browser.address(id));
  },

  filter() {
    const searched = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const chosen = facetSelects().filter((select) => select.value)
      .map((select) => [ALL_FACETS.find((facet) => facet.name === select.dataset.facet).of, select.value]);
    browser.found = browser.items.filter((item) => searched.every((word) => item.searchText.includes(word))
      && chosen.every(([of, value]) => (value === "*" ? of(item).length > 0 : of(item).includes(value))));
    sortItems(browser.found, ORDERS.find((order) => order.name === byId("sort").value).by);
    const all = browser.items.length;
    byId("count").textContent = browser.found.length === all ? `${all.toLocaleString("en")} entries` : `${browser.found.length.toLocaleString("en")} of ${all.toLocaleString("en")} entries`;
    byId("clear").hidden = !searched.length && !chosen.length;
    byId("list").scrollTop = 0;
    browser.draw();
    browser.writeAddress();
    if (byId("view-browse").hidden || document.body.dataset.view !== "segment") return;
    if (!browser.found.length) showNothing("No segment matches these filters.");
    else if (!browser.found.includes(browser.current)) browser.open(browser.found[0]);
    else showPlace();
  },

  draw() {
    const list = byId("list");
    const rows = byId("rows");
    const height = browser.rowHeight;
    rows.style.height = `${browser.found.length * height}px`;
    const first = Math.max(0, Math.floor(list.scrollTop / height) - MARGIN_ROWS);
    const last = Math.min(browser.found.length, Math.ceil((list.scrollTop + list.clientHeight) / height) + MARGIN_ROWS);
    rows.replaceChildren(...browser.found.slice(first, last).map((item, at) => listRow(item, first + at)));
    if (!browser.found.length) rows.append(el("p", { class: "empty" }, "No segment matches. Try fewer filters."));
    const here = browser.found.indexOf(browser.current);
    if (here >= first && here < last) list.setAttribute("aria-activedescendant", `row-${here}`);
    else list.removeAttribute("aria-activedescendant");
  },

  /* Called when the address names this view, with a segment or null. */
  enter(id) {
    if (!browser.ready) return;
    browser.draw();
    if (id === null) {
      // On a wide screen a segment is always shown beside the list.
      if (matchMedia("(min-width: 900px)").matches && browser.found.length) {
        const item = browser.found.includes(browser.current) ? browser.current : browser.found[0];
        history.replaceState(null, "", browser.address(item.id));
        route();
      } else player.pause();
      return;
    }
    const item = browser.items.find((each) => each.id === id);
    if (!item) return showNothing(`No segment ${id} is in this report.`);
    if (item !== browser.current || !byId("detail").hasChildNodes()) browser.show(item);
  },

  open(item) {
    location.hash = browser.address(item.id);
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

  /* Scrolls the list so that the current row is visible. */
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
    const details = browser.chunks.get(number) || load(`detail-${number}`);
    browser.chunks.delete(number);
    browser.chunks.set(number, details);
    details.catch(() => browser.chunks.delete(number));
    if (browser.chunks.size > CACHED_CHUNKS) browser.chunks.delete(browser.chunks.keys().next().value);
    return details;
  },
};

function listRow(item, at) {
  const here = item === browser.current;
  const time = item.start_ms === null ? "" : `${clock(item.start_ms)} – ${item.end_ms === null ? "" : clock(item.end_ms)}`;
  const { mark, comment } = marks.of(item.id);
  const badges = [
    mark ? el("span", { class: `mark ${mark}`, title: comment || null, role: "img", "aria-label": `${mark}ed` }, MARK_SIGNS[mark]) : null,
    comment && !mark ? el("span", { class: "mark comment", title: comment }, "comment") : null,
    item.rejects.length ? el("span", { class: "mark rejected", title: item.rejects.map(words).join(", ") }, "rejected") : null,
    item.duplicates.length ? el("span", { class: "mark duplicate", title: item.duplicates.join(", ") }, "duplicate") : null,
    item.branches.map((branch) => el("span", { class: "dot", "--colour": colourOf(branch), title: branch })),
  ];
  return el("div", { class: "row", role: "option", id: `row-${at}`, "aria-selected": String(here), "aria-setsize": browser.found.length, "aria-posinset": at + 1, "--at": at, onclick: () => browser.open(item) },
    el("div", { class: "row-head" }, el("span", { class: "row-name" }, item.name), el("span", { class: "row-time" }, time), el("span", { class: "marks" }, badges)),
    el("div", { class: "row-text" }, item.caption || (item.rejects.length ? item.rejects.map(words).join(", ") : "no caption")));
}

const facetSelects = () => [...document.querySelectorAll("#filters select[data-facet]")];

const sameEntries = (one, other) => one.size === other.size && [...one].every(([name, value]) => other.get(name) === value);

/* Items without a value come last; equal ones stay in order. */
function sortItems(items, by) {
  if (by) items.sort((one, other) => (by(one) ?? Infinity) - (by(other) ?? Infinity) || 0);
}

function facetControl(facet) {
  const counts = new Map((facet.values || []).map((value) => [value, 0]));
  for (const item of browser.items) for (const value of facet.of(item)) counts.set(value, (counts.get(value) || 0) + 1);
  if (!counts.size) return null;
  const values = facet.values ? [...counts] : [...counts].sort((one, other) => other[1] - one[1]);
  return el("label", { class: "facet" }, el("span", {}, facet.label),
    el("select", { "data-facet": facet.name, onchange: () => browser.filter() }, el("option", { value: "" }, "all"),
      facet.name === "reject" ? el("option", { value: "*" }, "any reason") : null,
      values.map(([value, count]) => el("option", { value }, facet.values ? value : `${words(value)} (${count})`))));
}

function orderControl() {
  const known = ORDERS.filter(({ by }) => !by || browser.items.some((item) => by(item) !== null));
  return el("label", { class: "facet" }, el("span", {}, "Sort by"),
    el("select", { id: "sort", onchange: () => browser.filter() }, known.map(({ name, label }) => el("option", { value: name }, label))));
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
