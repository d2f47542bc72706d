"use strict";
/* The first view: totals and distributions. */

function showOverview(summary) {
  document.title = `${summary.title} · Soundseam report`;
  byId("corpus").textContent = summary.title;
  byId("headline").textContent = summary.title;
  byId("tiles").append(...summary.tiles.map((tile) => el("div", { class: "tile" },
    el("span", { class: "tile-name" }, tile.name), el("strong", {}, tile.value), el("span", { class: "note" }, tile.note))));
  showRecordings(summary.recordings);
  byId("histograms").append(...summary.histograms.map(histogramCard));
  byId("bars").append(...summary.bars.map(barCard));
  byId("rejected").append(rejectedTable(summary.rejected));
  const drawn = summary.shown < summary.of ? `${summary.shown.toLocaleString("en")} of ${summary.of.toLocaleString("en")} segments, drawn at random, can be listened to here; the numbers cover all.` : "All segments can be listened to here.";
  byId("foot").textContent = `${drawn} Written by Soundseam ${summary.version}.`;
}

const number = (value) => String(Math.round(value * 1000) / 1000);

function histogramCard(data) {
  const highest = Math.max(...data.counts, 1);
  const count = data.counts.length;
  const name = (bin) => `${number(data.start + bin * data.step)} to ${number(data.start + (bin + 1) * data.step)}${data.unit ? ` ${data.unit}` : ""}: ${data.counts[bin].toLocaleString("en")}`;
  const width = 100 / count;
  const chart = svg("svg", { viewBox: "0 0 100 40", preserveAspectRatio: "none", role: "img", "aria-label": `${data.title}: ${data.total} values, median ${number(data.median)} ${data.unit}` },
    data.counts.map((value, bin) => svg("g", { class: "bin" },
      svg("rect", { class: "reach", x: bin * width, y: 0, width, height: 40 }, svg("title", {}, name(bin))),
      svg("rect", { class: "column", x: bin * width + width * 0.06, width: width * 0.88, y: 40 - (value / highest) * 39, height: value ? Math.max(0.6, (value / highest) * 39) : 0 }))),
    svg("line", { class: "median", x1: at(data), x2: at(data), y1: 0, y2: 40, "vector-effect": "non-scaling-stroke" }));
  const end = data.start + count * data.step;
  return el("figure", { class: "card histogram" },
    el("figcaption", {}, el("h3", {}, data.title), el("span", { class: "note" }, data.note || `${data.total.toLocaleString("en")} values`)),
    chart,
    el("div", { class: "scale" }, el("span", {}, number(data.start)), el("span", { class: "middle" }, `median ${number(data.median)}${data.unit ? ` ${data.unit}` : ""}`), el("span", {}, `${number(end)}${data.unit ? ` ${data.unit}` : ""}`)));
}

const at = (data) => ((data.median - data.start) / (data.counts.length * data.step)) * 100;

function barCard(data) {
  const largest = Math.max(...data.bars.map((bar) => bar.value), 1e-9);
  return el("section", { class: "card" }, el("h3", {}, data.title), el("p", { class: "note" }, data.note),
    el("ul", { class: "bars" }, data.bars.map((bar) => el("li", {}, barRow(bar, largest)))));
}

function barRow(bar, largest) {
  const inside = [
    el("span", { class: "bar-name" }, words(bar.name)),
    el("span", { class: "bar-track" }, el("span", { class: "bar-fill", "--share": bar.value / largest, "--colour": bar.facet ? colourOf(bar.name) : "var(--accent)" })),
    el("span", { class: "bar-value" }, bar.shown),
  ];
  if (!bar.facet) return el("span", { class: "bar" }, inside);
  return el("a", { class: "bar", href: "#browse", title: `Listen to ${words(bar.name)}`, onclick: () => browser.only(bar.facet, bar.name) }, inside);
}

function rejectedTable(rows) {
  if (!rows.length) return el("p", { class: "card empty" }, "Nothing was rejected.");
  return el("div", { class: "card scroll" }, el("table", {},
    el("thead", {}, el("tr", {}, ["stage", "reason", "rows"].map((name) => el("th", { scope: "col" }, name)))),
    el("tbody", {}, rows.map(([stage, reason, count]) => el("tr", {}, el("td", {}, stage),
      el("td", {}, el("a", { href: "#browse", onclick: () => browser.only("reject", reason) }, words(reason))), el("td", {}, count.toLocaleString("en")))))));
}
