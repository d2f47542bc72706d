"use strict";
/* Shared by the other scripts: building elements, loading data, words and numbers, the two views, keys. */

const soundseam = {
  waiting: new Map(),
  /* Called by the data files. */
  receive(name, value) {
    const resolve = soundseam.waiting.get(name);
    if (resolve) resolve(value);
  },
};

/* A page that was opened from disk cannot fetch data, but it can load scripts. */
function load(name) {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    const settle = (then) => (value) => { soundseam.waiting.delete(name); script.remove(); then(value); };
    soundseam.waiting.set(name, settle(resolve));
    script.onerror = settle(() => reject(new Error(`data/${name}.js cannot be read`)));
    script.src = `data/${name}.js`;
    document.head.append(script);
  });
}

const byId = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";

/* Text is added as text: nothing in a corpus is ever parsed as markup. */
function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name.startsWith("--")) node.style.setProperty(name, value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}
const el = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
const svg = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

const words = (name) => name.replaceAll("_", " ");
const CLASSES = ["speech", "human_voice", "singing", "music", "nature", "source_ambiguous", "object", "environment", "animal"];

/* The colour of a class, a branch or a verdict; anything else has one of twelve hues, by its name. */
function colourOf(name) {
  if (CLASSES.includes(name)) return `var(--class-${name.replaceAll("_", "-")})`;
  if (name === "general") return "var(--class-environment)";
  if (["confirmed", "unsure", "dropped", "unverified"].includes(name)) return `var(--verdict-${name})`;
  if (!name) return "var(--accent)";
  let hash = 7;
  for (const letter of name) hash = (hash * 31 + letter.codePointAt(0)) % 9973;
  return `oklch(var(--hue-light) var(--hue-chroma) ${(hash % 12) * 30})`;
}

const chip = (name) => el("span", { class: "chip", "--colour": colourOf(name) }, words(name));
const factList = (facts) => el("dl", { class: "facts" }, facts.map((fact) => el("div", {}, el("dt", {}, fact.name), el("dd", {}, fact.value))));

/* 83500 → 1:23.5 */
function clock(ms, digits = 1) {
  const steps = 10 ** digits;
  const units = Math.max(0, Math.round((ms / 1000) * steps));
  const minutes = Math.floor(units / steps / 60);
  const seconds = (units / steps - minutes * 60).toFixed(digits).padStart(digits ? digits + 3 : 2, "0");
  return minutes < 60 ? `${minutes}:${seconds}` : `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${seconds}`;
}

/* The one tooltip: beside its element, inside the window. */
const tip = {
  node: byId("tip"),
  owner: null,
  show(owner, content) {
    tip.owner = owner;
    tip.node.replaceChildren(...[content].flat());
    tip.node.hidden = false;
    owner.setAttribute("aria-describedby", "tip");
    const at = owner.getClientRects()[0] || owner.getBoundingClientRect();
    const { width, height } = tip.node.getBoundingClientRect();
    const below = at.bottom + 8 + height < innerHeight;
    tip.node.style.left = `${Math.max(8, Math.min(at.left, innerWidth - width - 8))}px`;
    tip.node.style.top = `${below ? at.bottom + 8 : Math.max(8, at.top - height - 8)}px`;
  },
  hide() {
    if (tip.owner) tip.owner.removeAttribute("aria-describedby");
    tip.owner = null;
    tip.node.hidden = true;
  },
  /* `content` is called each time it is shown. */
  on(node, content) {
    const show = () => tip.show(node, content());
    node.addEventListener("pointerenter", (event) => event.pointerType === "mouse" && show());
    node.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && tip.hide());
    node.addEventListener("focus", show);
    node.addEventListener("blur", tip.hide);
    return node;
  },
};

function decoded(text) {
  try { return decodeURIComponent(text); } catch { return text; }
}

/* The address: #overview, #browse or #s=<segment id>, then the filters, as in #s=…&branch=music&q=bell&sort=longest. */
function parsedAddress() {
  const [place, ...rest] = location.hash.slice(1).split("&");
  const options = new Map(rest.map((part) => part.split("=", 2).map((text) => decoded(text || ""))));
  const view = place === "" || place === "overview" ? "overview" : "browse";
  return { view, id: place.startsWith("s=") ? decoded(place.slice(2)) : null, options };
}

function route() {
  const { view, id, options } = parsedAddress();
  const isOverview = view === "overview";
  const wasOverview = !byId("view-overview").hidden;
  byId("view-overview").hidden = !isOverview;
  byId("view-browse").hidden = isOverview;
  byId("tab-overview").toggleAttribute("aria-current", isOverview);
  byId("tab-browse").toggleAttribute("aria-current", !isOverview);
  document.body.dataset.view = isOverview ? "overview" : id === null ? "list" : "segment";
  tip.hide();
  if (isOverview) player.pause();
  else {
    if (browser.ready) browser.choose(options);
    browser.enter(id);
    if (browser.ready) browser.writeAddress();
  }
  if (isOverview !== wasOverview) scrollTo(0, 0);
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") tip.hide();
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea, dialog")) return;
  if (event.key === "?") return byId("help").showModal();
  if (byId("view-browse").hidden) return;
  const onButton = event.target.closest("button, a, summary");
  const act = {
    " ": onButton ? null : () => player.toggle(),
    j: () => browser.step(1), n: () => browser.step(1),
    k: () => browser.step(-1), p: () => browser.step(-1),
    ArrowLeft: () => player.seekBy(-1), ArrowRight: () => player.seekBy(1), Home: () => player.seek(0),
    "+": () => player.zoomBy(1.5), "=": () => player.zoomBy(1.5), "-": () => player.zoomBy(1 / 1.5),
    "/": () => byId("search").focus(),
    a: () => marks.toggle("accept"), r: () => marks.toggle("reject"),
    c: () => byId("comment") && byId("comment").focus(),
  }[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (act) { event.preventDefault(); act(); }
});

addEventListener("DOMContentLoaded", async () => {
  try {
    const summary = await load("summary");
    showOverview(summary);
    addEventListener("hashchange", route);
    byId("skip").addEventListener("click", () => setTimeout(() => byId("list").focus()));
    await browser.fill(summary);
  } catch (error) {
    document.body.append(el("p", { class: "notice", role: "alert" }, `The report is incomplete: ${error.message}.`));
  }
});
