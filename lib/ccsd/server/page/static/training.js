// Training: started, stopped and watched; an epoch is the grain of the curves.

import { ask, json, post, showServed } from "./api.js";
import { lineChart } from "./chart.js";
import { attempt, byId, el, fill, number, say } from "./dom.js";

const RUNNING = new Set(["SUBMITTED", "RUNNING"]);
const SOON = 2000; // ms
const LATER = 10000;

let timer = null;
let wasRunning = false;
let panels = null;

export async function showTraining() {
  panels ??= build();
  await poll();
}

async function poll() {
  clearTimeout(timer);
  if (byId("training").hidden) return;
  let running = false;
  try {
    const found = await json("data/training");
    running = RUNNING.has(found.task?.status);
    draw(found, running);
    if (wasRunning && !running) await showServed();
    wasRunning = running;
  } finally {
    timer = setTimeout(() => attempt(poll), running ? SOON : LATER);
  }
}

function build() {
  const field = (name, label, value) =>
    el("label", {}, `${label} `, el("input", { type: "number", name, min: 0, value, inputmode: "numeric" }));
  const start = el("button", {}, "Start");
  const stop = el("button", { type: "button", onclick: () => attempt(halt) }, "Stop");
  const form = el("form", { class: "controls" },
    field("max_epochs", "epochs", 10), field("max_minutes", "minutes at most (0: no limit)", 0), start, stop);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(() => begin(form));
  });
  const parts = {
    start, stop,
    status: el("p", { class: "status" }), progress: el("progress", { max: 1, "aria-label": "Training" }), facts: el("p", { class: "quiet" }),
    charts: el("div", { class: "charts" }), lines: el("pre", { tabindex: 0, "aria-label": "Last lines of the log" }),
  };
  fill(byId("training"),
    el("div", { class: "panel" }, el("h2", {}, "Training"), form, parts.status, parts.progress, parts.facts),
    parts.charts,
    el("details", { class: "panel" }, el("summary", {}, "Last lines of the log"), parts.lines));
  return parts;
}

async function begin(form) {
  const { max_epochs: epochs, max_minutes: minutes } = Object.fromEntries(new FormData(form));
  await post("../train/ccsd", { max_epochs: Number(epochs), max_minutes: Number(minutes) });
  say("Training has started.");
  await poll();
}

// One press: with the server's own settings, told in words in `place` until it is over.
export async function trainOnce(place) {
  await post("../train/ccsd", {});
  for (;;) {
    const { task, words } = await json("data/training");
    place.textContent = words ?? task?.progress?.says ?? "The training starts.";
    if (!RUNNING.has(task?.status)) return showServed();
    await new Promise((done) => setTimeout(done, SOON));
  }
}

async function halt() {
  await ask("../train/", { method: "DELETE" });
  say("Training has stopped; published weights stay.");
  await poll();
}

function draw({ task, words, lines, stats }, running) {
  const history = stats.history ?? [];
  const last = history.at(-1);
  panels.start.disabled = running;
  panels.stop.disabled = !running;
  const epoch = last ? `epoch ${last.epoch} of ${stats.config.max_epochs}` : "";
  panels.status.textContent = task ? inWords(task, words) : "No training since this server started.";
  showProgress(running, task?.progress ?? {});
  panels.status.dataset.state = task?.status ?? "";
  panels.facts.textContent = last
    ? `Last records: ${epoch}; from ${stats.parent}; ${stats.training.length} studies trained on, ` +
      `${stats.validation.length} validated on${stats.held_out ? "" : " (the same ones: too few to hold one out)"}; ` +
      (Object.keys(stats.left_out ?? {}).length ? `left out: ${reasons(stats.left_out)}; ` : "") + `published: ${stats.version ?? "nothing yet"}; ` +
      `best mean validation Dice ${number(Math.max(...history.map((h) => h.score ?? 0)))}`
    : "";
  panels.lines.textContent = lines.join("\n");
  fill(panels.charts, last ? charts(history) : []);
}

// When it began while it runs, when it ended after that.
function inWords({ status, start_ts: start, end_ts: end, progress }, words) {
  const when = end ? `${status} at ${end}, started at ${start}` : `${status} since ${start}`;
  return [when, progress?.says ?? words].filter(Boolean).join(": ");
}

// The share of all steps; without a share while it is not known.
function showProgress(running, { epoch, epochs, step, steps }) {
  panels.progress.hidden = !running;
  if (epoch) panels.progress.value = ((epoch - 1) * steps + step) / (epochs * steps);
  else panels.progress.removeAttribute("value");
}

const reasons = (left) => Object.entries(left).map(([study, why]) => `${study} (${why})`).join(", ");

function charts(history) {
  const scores = history.filter((h) => typeof h.score === "number").map((h) => [h.epoch, h.score]);
  const names = [...new Set(history.flatMap((h) => Object.keys(h.losses)))];
  const terms = names.map((name) => {
    const points = history.filter((h) => name in h.losses).map((h) => [h.epoch, h.losses[name]]);
    return lineChart({ title: `loss: ${name}`, series: [{ name, points }], x: "epoch" });
  });
  const series = [{ name: "Dice", points: scores }];
  return [lineChart({ title: "mean validation Dice over all subsets", series, x: "epoch", high: 1 }), ...terms];
}
