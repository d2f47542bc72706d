"use strict";
/* One segment: its audio on a time axis, its captions, samples and measurements. */

const VERDICTS = { confirmed: ["✓", "confirmed by the verifier"], unsure: ["?", "the verifier is unsure"], dropped: ["✕", "dropped by the verifier"], unverified: ["", "not verified"] };
const LANE_ROW = 24;
/* A quiet segment is drawn up to full height, but not the noise of a silent one; in 1/127 of full scale. */
const MIN_PEAK = 3;
const WORD_PX = 7.2;
const WORDS_PX_A_SECOND = 130;

function showDetail(item, data, keepsPlaying) {
  tip.hide();
  const node = byId("detail");
  node.replaceChildren(...[
    el("a", { class: "back", href: browser.address(null) }, "‹ All segments"),
    headOf(item, data),
    isMarkable(item) ? markingOf(item) : null,
    data.audio ? playerOf(data) : null,
    data.rejects.length ? rejectsOf(data) : null,
    ...data.captions.slice(0, 1).map(captionOf),
    data.samples.length ? samplesOf(data) : null,
    data.captions.length > 1 ? el("details", { class: "card fold" }, el("summary", {}, `Captions of ${data.captions.length === 2 ? "the branch" : "the branches"}`), data.captions.slice(1).map(captionOf)) : null,
    sheetsOf(data),
    asText(data),
    el("section", { class: "card" }, el("h3", {}, "Origin"), factList(data.origin)),
  ].filter(Boolean));
  node.scrollTop = 0;
  if (matchMedia("(max-width: 899px)").matches) scrollTo(0, 0);
  showPlace();
  player.attach(data, keepsPlaying);
}

function showNothing(message) {
  browser.current = null;
  player.pause();
  byId("detail").replaceChildren(el("a", { class: "back", href: browser.address(null) }, "‹ All segments"), el("p", { class: "notice", role: "alert" }, message));
}

function headOf(item, data) {
  const span = item.start_ms === null ? "" : item.end_ms === null ? `from ${clock(item.start_ms)}` : `${clock(item.start_ms)} – ${clock(item.end_ms)} of the recording, ${(data.duration_ms / 1000 || (item.end_ms - item.start_ms) / 1000).toFixed(1)}\u00a0s`;
  return el("header", { class: "head" },
    el("div", { class: "head-text" }, el("h2", {}, item.name), el("p", { class: "note" }, span), el("p", { class: "chips" }, item.branches.map(chip), data.duplicates.map((mark) => el("span", { class: "mark duplicate" }, mark)), data.audio ? null : el("span", { class: "mark rejected" }, "rejected"))),
    el("div", { class: "steps" },
      el("span", { class: "note", id: "place" }),
      el("button", { type: "button", id: "previous", "aria-label": "Previous segment", title: "Previous (K)", onclick: () => browser.step(-1) }, "‹"),
      el("button", { type: "button", id: "next", "aria-label": "Next segment", title: "Next (J)", onclick: () => browser.step(1) }, "›"),
      el("button", { type: "button", class: "quiet keys-button", "aria-label": "Keys", title: "Keys (?)", onclick: () => byId("help").showModal() }, "?")));
}

/* The place of the segment among those that match the filters. */
function showPlace() {
  if (!byId("place")) return;
  const place = browser.found.indexOf(browser.current);
  byId("place").textContent = place < 0 ? "" : `${place + 1} / ${browser.found.length}`;
  byId("previous").disabled = place <= 0;
  byId("next").disabled = place >= browser.found.length - 1;
}

/* ---- the time axis ---- */

function playerOf(data) {
  const seek = el("input", { type: "range", id: "seek", class: "hidden", "aria-label": "Position", min: 0, max: data.duration_ms, step: 10, value: 0, oninput: (event) => player.seek(event.target.value / 1000) });
  const transport = el("div", { class: "transport" },
    el("button", { type: "button", id: "play", class: "play", "aria-label": "Play", onclick: () => player.toggle() }, svg("svg", { viewBox: "0 0 24 24", "aria-hidden": "true" }, svg("path", { class: "play-icon", d: "M8 5v14l11-7z" }), svg("path", { class: "pause-icon", d: "M7 5h4v14H7zM13 5h4v14h-4z" }))),
    el("span", { class: "clock" }, el("span", { id: "now" }, clock(0)), el("span", { class: "note" }, ` / ${clock(data.duration_ms)}`)), seek,
    el("span", { class: "spread" }),
    el("label", { class: "speed" }, el("span", { class: "hidden" }, "Speed"), el("select", { id: "speed", onchange: (event) => player.setSpeed(Number(event.target.value)) }, [0.5, 0.75, 1, 1.5, 2].map((speed) => el("option", { value: speed, selected: speed === player.speed }, `${speed}×`)))),
    el("span", { class: "zooms" },
      el("button", { type: "button", class: "quiet", "aria-label": "Zoom out", title: "Zoom out (−)", onclick: () => player.zoomBy(1 / 1.5) }, "−"),
      el("button", { type: "button", class: "quiet", "aria-label": "Zoom in", title: "Zoom in (+)", onclick: () => player.zoomBy(1.5) }, "+")),
    el("a", { class: "quiet", href: data.audio, download: true, "aria-label": "Save the audio", title: "Save the audio (FLAC)" }, "↓"));
  const rows = [
    { name: "", height: 22, node: el("div", { class: "axis", id: "axis" }) },
    { name: "waveform", height: 76, node: waveformOf(data) },
    { name: "spectrogram", height: 120, node: el("div", { class: "spectrogram-box" }, el("img", { class: "spectrogram", src: data.image, alt: "Log-mel spectrogram, 0 to 8 kHz", draggable: "false" })) },
    ...data.lanes.map((lane) => laneOf(lane, data.duration_ms)),
  ];
  const tracks = el("div", { class: "tracks", id: "tracks" }, rows.map((row) => el("div", { class: `track ${row.kind || ""}`, "data-name": row.name, "--height": `${row.height}px` }, row.node)), el("div", { class: "cursor", "aria-hidden": "true" }));
  return el("section", { class: "card player", "aria-label": "Player" }, transport,
    el("p", { class: "notice", id: "player-error", role: "alert", hidden: true }),
    boundariesOf(data),
    el("div", { class: "timeline" },
      el("div", { class: "gutter", "aria-hidden": "true" }, rows.map((row) => el("div", { class: row.height < LANE_ROW ? "one-line" : "", "--height": `${row.height}px`, title: row.name }, ...gutterName(row.name)))),
      el("div", { class: "scroller", id: "scroller", role: "group", "aria-label": "Time axis", tabindex: 0 }, tracks)));
}

function gutterName(name) {
  const [what, backend] = name.split(" · ");
  return [el("span", {}, what), backend ? el("small", {}, backend) : null].filter(Boolean);
}

const share = (ms, whole) => ms / Math.max(whole, 1);

const STEPS_S = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300];
const TICK_PX = 84;

/* Time labels, about TICK_PX apart on an axis `width` pixels wide. */
function ticksOf(data, width) {
  const seconds = data.duration_ms / 1000;
  const maxTicks = Math.max(2, width / TICK_PX);
  const step = STEPS_S.find((each) => seconds / each <= maxTicks) || 600;
  const count = Math.max(1, Math.ceil(seconds / step - 0.25));
  return Array.from({ length: count }, (_, tick) => tick * step).map((tick) => el("span", { "--start": tick / Math.max(seconds, 0.001) }, step < 1 ? tick.toFixed(1) : clock(tick * 1000, 0)));
}

function waveformOf(data) {
  const bytes = Int8Array.from(atob(data.peaks), (letter) => (letter.charCodeAt(0) << 24) >> 24);
  const count = bytes.length / 2;
  const peak = Math.max(MIN_PEAK, ...bytes.map(Math.abs));
  const y = (value) => (50 - (value / peak) * 48).toFixed(1);
  const upper = Array.from({ length: count }, (_, at) => `${at},${y(Math.max(bytes[2 * at + 1], 0.6))}`);
  const lower = Array.from({ length: count }, (_, at) => `${at},${y(Math.min(bytes[2 * at], -0.6))}`).reverse();
  const shape = (name) => svg("svg", { class: name, viewBox: `0 0 ${Math.max(count - 1, 1)} 100`, preserveAspectRatio: "none", "aria-hidden": "true" }, svg("polygon", { points: [...upper, ...lower].join(" ") }));
  return el("div", { class: "waveform" }, shape("wave"), shape("wave played"));
}

function boundariesOf(data) {
  const side = (boundary, name) => tip.on(el("span", { class: `edge ${name}`, tabindex: 0 }, el("span", { class: "edge-mark", "aria-hidden": "true" }), `${name}s at: `, el("b", {}, boundary.reason)), () => factList(boundary.notes));
  return el("div", { class: "edges" }, side(data.boundaries[0], "start"), side(data.boundaries[1], "end"));
}

function laneOf(lane, duration) {
  if (lane.kind === "ticks") return { name: lane.name, kind: "ticks", height: 20, node: el("div", { class: "items" }, lane.items.map((item) => el("i", { class: "tick", "--start": share(item.start_ms, duration) }))) };
  const ends = [];
  const items = lane.items.map((item) => {
    let row = ends.findIndex((end) => end <= item.start_ms);
    if (row < 0) row = ends.push(0) - 1;
    ends[row] = item.end_ms;
    const length = item.end_ms - item.start_ms;
    return tip.on(el("span", { class: "item", "--start": share(item.start_ms, duration), "--length": share(length, duration), "--row": row, "--colour": item.group ? colourOf(item.group) : "var(--muted)", "data-start": item.start_ms, "data-end": item.end_ms, "data-letters": item.label.length }, el("span", {}, words(item.label))),
      () => [el("strong", {}, words(item.label)), el("p", { class: "note" }, `${clock(item.start_ms, 2)} – ${clock(item.end_ms, 2)}, ${(length / 1000).toFixed(2)} s`), factList(item.notes)]);
  });
  return { name: lane.name, kind: lane.kind, height: Math.max(1, ends.length) * LANE_ROW + 6, node: el("div", { class: "items" }, items) };
}

/* ---- captions and measurements ---- */

function captionOf(caption) {
  const state = caption.verified === null ? "no verifier ran" : caption.verified ? "verified" : "not verified";
  return el("section", { class: "card caption" },
    el("h3", {}, caption.name, el("span", { class: "note" }, `${words(caption.composer)} · ${state}`)),
    el("p", { class: "claims" }, caption.claims.flatMap((claim) => [claimOf(claim), " "])),
    caption.claims.some((claim) => claim.evidence.length) ? el("p", { class: "note hint" }, "Point at a sentence, or tap it, for its evidence.") : null);
}

function claimOf(claim) {
  const [sign, meaning] = Object.hasOwn(VERDICTS, claim.verdict) ? VERDICTS[claim.verdict] : VERDICTS.unverified;
  const node = el("span", { class: "claim", tabindex: 0, "data-verdict": claim.verdict, "--colour": colourOf(claim.verdict) }, claim.text, sign ? el("span", { class: "sign", role: "img", "aria-label": meaning }, sign) : null);
  return tip.on(node, () => [
    el("p", { class: "tip-verdict", "--colour": colourOf(claim.verdict) }, sign ? `${sign} ` : "", meaning, claim.probability === null ? "" : `, P = ${claim.probability.toFixed(2)}`),
    claim.evidence.length ? el("dl", { class: "evidence" }, claim.evidence.map((each) => el("div", {}, el("dt", {}, each.name), el("dd", {}, each.value)))) : el("p", { class: "note" }, "no evidence is recorded"),
  ]);
}

function samplesOf(data) {
  const more = data.num_samples - data.samples.length;
  return el("details", { class: "card fold samples" }, el("summary", {}, `Training samples (${data.num_samples})`),
    el("dl", {}, data.samples.map((sample) => el("div", {}, el("dt", {}, el("b", {}, words(sample.task)), ` ${sample.question}`), el("dd", { lang: sample.language }, sample.answer)))),
    more > 0 ? el("p", { class: "note" }, `and ${more} more`) : null);
}

function rejectsOf(data) {
  return el("section", { class: "card rejects" }, el("h3", {}, "Rejected"), data.rejects.map((each) => el("div", {}, el("p", {}, el("b", {}, words(each.reason)), el("span", { class: "note" }, ` at ${each.stage}`)), el("p", {}, each.detail))));
}

function sheetsOf(data) {
  if (!data.sheets.length) return null;
  return el("section", { class: "sheets", "aria-label": "Measured" }, data.sheets.map((sheet) => el("section", { class: "card sheet" },
    el("h3", {}, words(sheet.backend), chip(sheet.branch), el("span", { class: "note" }, sheet.model)),
    sheet.texts.map((text) => el("blockquote", { title: text.name }, text.value)), factList(sheet.facts))));
}

/* The lanes as text, for screen readers and for copying; filled when it is opened. */
function asText(data) {
  if (!data.lanes.length) return null;
  const fold = el("details", { class: "card fold" }, el("summary", {}, "Events, words and parts as text"));
  fold.addEventListener("toggle", () => fold.append(...data.lanes.map((lane) => el("section", {}, el("h4", {}, lane.name), el("ol", { class: "plain" }, lane.items.map((item) => el("li", {}, el("span", { class: "row-time" }, item.end_ms > item.start_ms ? `${clock(item.start_ms, 2)} – ${clock(item.end_ms, 2)}` : clock(item.start_ms, 2)), ` ${words(item.label)}`)))))), { once: true });
  return fold;
}

/* ---- playing ---- */

const player = {
  audio: byId("audio"), speed: 1, data: null, zoom: 1,

  isPlaying: () => !player.audio.paused && !player.audio.ended,
  pause: () => player.audio.pause(),

  attach(data, playOn) {
    player.audio.pause();
    player.data = data.audio ? data : null;
    if (!data.audio) return player.audio.removeAttribute("src");
    player.audio.src = data.audio;
    player.audio.playbackRate = player.speed;
    const tracks = byId("tracks");
    tracks.addEventListener("click", (event) => player.seekTo(event));
    tracks.addEventListener("pointermove", (event) => event.pointerType === "mouse" && event.buttons === 1 && player.seekTo(event));
    const transcribed = data.lanes.some((lane) => lane.kind === "words");
    player.zoom = transcribed ? Math.max(1, Math.min(8, (data.duration_ms / 1000) * WORDS_PX_A_SECOND / Math.max(byId("scroller").clientWidth, 1))) : 1;
    player.layOut();
    player.follow();
    if (playOn) player.play();
  },

  /* Applies the zoom; labels that do not fit are hidden. */
  layOut() {
    const tracks = byId("tracks");
    if (!tracks) return;
    tracks.style.width = `${player.zoom * 100}%`;
    const width = tracks.clientWidth;
    byId("axis").replaceChildren(...ticksOf(player.data, width));
    for (const item of tracks.querySelectorAll(".item")) {
      const room = ((item.dataset.end - item.dataset.start) / player.data.duration_ms) * width;
      item.classList.toggle("narrow", room < Math.min(item.dataset.letters, 3) * WORD_PX + 4);
    }
  },

  zoomBy(by) {
    if (!player.data) return;
    player.zoom = Math.max(1, Math.min(16, player.zoom * by));
    player.layOut();
    player.follow(true);
  },

  async play() {
    try { await player.audio.play(); } catch (error) { if (error.name !== "AbortError") player.fail(error.message); }
  },
  toggle() { if (!player.data) return; if (player.isPlaying()) player.pause(); else player.play(); },
  seek(seconds) { if (!player.data) return; player.audio.currentTime = Math.max(0, Math.min(player.data.duration_ms / 1000, seconds)); player.follow(); },
  seekBy(seconds) { player.seek(player.audio.currentTime + seconds); },
  seekTo(event) { const box = byId("tracks").getBoundingClientRect(); player.seek(((event.clientX - box.left) / box.width) * (player.data.duration_ms / 1000)); },
  setSpeed(speed) { player.speed = speed; player.audio.playbackRate = speed; },

  fail(message) {
    const note = byId("player-error");
    if (!note) return;
    note.textContent = `The audio cannot be played: ${message}`;
    note.hidden = false;
  },

  /* Moves the cursor to the position of the audio, and scrolls the axis. */
  follow(centred = false) {
    const tracks = byId("tracks");
    if (!tracks || !player.data) return;
    const now = player.audio.currentTime * 1000;
    const at = Math.min(1, share(now, player.data.duration_ms));
    tracks.style.setProperty("--at", at);
    byId("now").textContent = clock(now);
    byId("seek").value = now;
    byId("seek").setAttribute("aria-valuetext", `${clock(now)} of ${clock(player.data.duration_ms)}`);
    for (const item of tracks.querySelectorAll(".item")) item.classList.toggle("playing-now", now >= item.dataset.start && now < item.dataset.end && now > 0);
    const scroller = byId("scroller");
    const x = at * tracks.clientWidth;
    if (centred || x < scroller.scrollLeft || x > scroller.scrollLeft + scroller.clientWidth * 0.92) scroller.scrollLeft = x - scroller.clientWidth * (centred ? 0.5 : 0.08);
  },

  tick() {
    player.follow();
    if (player.isPlaying()) requestAnimationFrame(player.tick);
  },

  state() {
    const playing = player.isPlaying();
    const button = byId("play");
    if (button) { button.classList.toggle("playing", playing); button.setAttribute("aria-label", playing ? "Pause" : "Play"); }
    if (playing) player.tick();
  },
};

for (const event of ["play", "pause", "ended"]) player.audio.addEventListener(event, player.state);
player.audio.addEventListener("seeked", () => player.follow());
player.audio.addEventListener("error", () => player.data && player.fail("this browser does not read the file"));
addEventListener("resize", player.layOut);
