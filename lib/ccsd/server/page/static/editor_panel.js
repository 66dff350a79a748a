// What stands beside the pictures while a mask is corrected, and the training that may follow.

import { choice } from "./controls.js";
import { attempt, el, fill } from "./dom.js";
import { begin, discard, editOf, fillOutline, knownOf, pick, planeNow, resize, save, step, whyNot } from "./editor.js";
import { trainOnce } from "./training.js";
import { viewer } from "./viewer.js";

const TOOLS = [["brush", "Brush (B)"], ["eraser", "Eraser (E)"], ["none", "Look (V)"]];

export function buildPanel(editor) {
  const panel = el("section", { id: "editor", "aria-label": "Correct" });
  const outcome = el("p", { id: "trained", role: "status", hidden: true });
  editor.show = () => {
    const focused = panel.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    fill(panel, content(viewer.state, editor), training(viewer.state, outcome));
    if (focused) panel.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
  };
  return panel;
}

const button = (text, work, more = {}) =>
  el("button", { type: "button", "data-key": text, onclick: () => attempt(work), ...more }, text);

function content(state, editor) {
  if (!state?.view) return [];
  const edit = editOf(state, { here: false });
  if (!edit) return beginning(state);
  if (!editOf(state)) {
    return [el("p", { class: "note" }, `There are corrections on ${edit.image}: choose that image to go on.`), button("Discard", () => discard(state))];
  }
  return correcting(state, edit, editor);
}

function beginning(state) {
  const no = whyNot(state, false);
  return [el("div", { class: "choice" },
    button("Correct this mask", () => begin(state, false), { disabled: Boolean(no), title: no || "with brush and eraser" }),
    button("Draw a new one", () => begin(state, true), { disabled: Boolean(whyNot(state, true)), title: "from an empty mask" }))];
}

function correcting(state, edit, editor) {
  const { correction } = edit;
  const regions = Object.keys(state.model.regions);
  const named = regions.map((g, i) => [g, `${g} (${i + 1})`]);
  const volumes = regions.map((g) => `${g} ${correction.millilitres(g).toFixed(1)}`).join(", ");
  const size = el("input", {
    type: "range", min: 1, max: 60, value: editor.size, "data-key": "size", id: "brush-size",
    oninput: (event) => resize(Number(event.target.value) - editor.size),
  });
  const known = knownOf(edit, state.model);
  const open = correction.done.length;
  return [
    el("h3", {}, "Correct"),
    choice("Region", named, editor.region, (region) => pick({ region })),
    choice("Tool", TOOLS, editor.tool, (tool) => pick({ tool })),
    el("label", { class: "row" }, "size ([ ])", size, el("output", { for: "brush-size" }, `${editor.size} mm`)),
    el("div", { class: "choice", role: "group", "aria-label": "Strokes" },
      button("Undo", () => step("undo"), { disabled: !open, title: "Ctrl + Z" }),
      button("Redo", () => step("redo"), { disabled: !correction.undone.length, title: "Ctrl + Y" }),
      button("Fill (F)", () => fillOutline(planeNow()), { title: "fills a closed outline of the region in this slice (F)" })),
    rule(state, editor),
    known.length < regions.length ? el("p", { class: "note" }, knows(known, regions)) : null,
    el("div", { class: "choice" },
      button(edit.saving ? "Saving…" : "Save as label", () => save(state), { class: "main", disabled: edit.saving, title: "with the tag final (Ctrl + S)" }),
      button("Discard", () => discard(state), { disabled: edit.saving })),
    el("p", { class: "quiet", role: "status" }, `${volumes} mL. ${correction.dirty ? "Not saved yet." : "Nothing to save."}`),
  ];
}

// How the regions lie in one another, for the one that is chosen.
function rule({ model }, editor) {
  const { around, inside } = neighbours(Object.keys(model.regions), model.regions, editor.region);
  const list = (names) => names.join(" and ");
  const painting = around.length ? `What you paint as ${editor.region} belongs to ${list(around)} too.` : `${editor.region} is the largest region.`;
  const erasing = inside.length ? `What you erase from it is erased from ${list(inside)} too` : "What you erase from it";
  const stays = around.length ? `${inside.length ? " and" : ""} stays in ${list(around)}.` : `${inside.length ? "" : " is no tumour"}.`;
  return el("p", { id: "rule" }, `${painting} ${erasing}${stays}`);
}

function neighbours(names, regions, own) {
  const within = (a, b) => regions[a].every((label) => regions[b].includes(label));
  const others = names.filter((name) => name !== own);
  return { around: others.filter((name) => within(own, name)), inside: others.filter((name) => within(name, own)) };
}

const knows = (known, regions) => {
  const others = regions.filter((region) => !known.includes(region)).join(" and ");
  return known.length ? `The label will contain only ${known.join(" and ")}. It says nothing about ${others} until something is painted there.` : "Nothing is painted yet.";
};

// One press, where there is a label to learn from.
function training(state, outcome) {
  if (!state?.view?.label || editOf(state, { here: false })) return outcome;
  const start = button("Train on the saved labels", async () => {
    outcome.hidden = false;
    await trainOnce(outcome);
  }, { title: "with the default settings; for others see Training" });
  return [el("div", { class: "choice" }, start), outcome];
}
