"use strict";
/* Whole recordings: their summaries, and chapters over the waveform; a click plays a chapter's segments in turn. */

const chapterPlayer = {
  audio: new Audio(),
  button: null,
  left: [],
  play(button, files) {
    const again = chapterPlayer.button === button;
    chapterPlayer.stop();
    if (again || !files.length) return;
    chapterPlayer.button = button;
    chapterPlayer.left = [...files];
    button.setAttribute("aria-pressed", "true");
    chapterPlayer.next();
  },
  next() {
    const file = chapterPlayer.left.shift();
    if (file === undefined) return chapterPlayer.stop();
    chapterPlayer.audio.src = file;
    chapterPlayer.audio.play().catch(() => chapterPlayer.stop());
  },
  stop() {
    chapterPlayer.audio.pause();
    if (chapterPlayer.button) chapterPlayer.button.setAttribute("aria-pressed", "false");
    chapterPlayer.button = null;
    chapterPlayer.left = [];
  },
};
chapterPlayer.audio.addEventListener("ended", chapterPlayer.next);
addEventListener("hashchange", chapterPlayer.stop);

function showRecordings(recordings) {
  byId("recordings-part").hidden = !recordings.length;
  byId("recordings").append(...recordings.map(recordingCard));
}

function recordingCard(recording) {
  const buttons = recording.chapters.map(chapterButton);
  return el("section", { class: "card recording" },
    el("h3", {}, recording.name), el("p", {}, recording.summary),
    /* The picture repeats the list below it, for the mouse. */
    el("div", { class: "chapters", "aria-hidden": "true" }, recordingWave(recording),
      recording.chapters.map((chapter, at) => el("div", { class: "chapter", title: `${clock(chapter.start_ms, 0)} ${chapter.title}`, "--start": share(chapter.start_ms, recording.duration_ms), "--length": share(chapter.end_ms - chapter.start_ms, recording.duration_ms), "--colour": colourOf(chapter.event_class), onclick: () => buttons[at] && buttons[at].click() }))),
    el("ol", { class: "chapter-list" }, recording.chapters.map((chapter, at) => el("li", {}, buttons[at] || el("b", {}, chapterName(chapter)), " ", el("span", { class: "note" }, chapter.sentence)))));
}

const chapterName = (chapter) => `${clock(chapter.start_ms, 0)} ${chapter.title}`;

function chapterButton(chapter) {
  if (!chapter.audio.length) return null;
  const button = el("button", { type: "button", class: "quiet", "aria-pressed": "false", onclick: () => chapterPlayer.play(button, chapter.audio) }, chapterName(chapter));
  return button;
}

function recordingWave(recording) {
  const bars = recording.waveform.flatMap((stretch) => stretch.loudness.map((value, step) => {
    const width = (stretch.end_ms - stretch.start_ms) / stretch.loudness.length;
    const height = Math.max(value, 1);
    return svg("rect", { x: stretch.start_ms + step * width, width, y: 50 - height / 2, height });
  }));
  return svg("svg", { viewBox: `0 0 ${Math.max(recording.duration_ms, 1)} 100`, preserveAspectRatio: "none" }, bars);
}
