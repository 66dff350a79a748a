// Correcting a mask: brush and eraser in the panes of the viewer, saved as the label `final` as every client saves one.

import { json } from "./api.js";
import { Correction, regionsOf } from "./correction.js";
import { buildPanel } from "./editor_panel.js";
import { attempt, byId, say } from "./dom.js";
import { gzippedNifti } from "./nifti.js";
import { markLabelled } from "./studies.js";
import { maskOf, viewer } from "./viewer.js";
import { PLANES, toPicture } from "./volume.js";

const SIZES = [1, 60]; // mm across
const edits = new Map(); // study -> {study, image, view, correction, origin, known, saving}

export const editor = { region: null, tool: "brush", size: 8, trained: "" };
let hover = null; // {pane, exact}

export function startEditor() {
  const panel = buildPanel(editor);
  viewer.on("controls", () => panel);
  viewer.on("change", showDraft);
  viewer.on("pointer", pointer);
  viewer.on("render", drawBrush);
  addEventListener("keydown", keys);
  addEventListener("beforeunload", (event) => {
    if ([...edits.values()].some((edit) => edit.correction.dirty)) event.preventDefault();
  });
}

// The correction of the study on view; `here`: only if it lies on the grid of the image on view.
export function editOf(state, { here = true } = {}) {
  const edit = state && edits.get(state.listed.id);
  return edit && (!here || (state.view && sameGrid(edit.view, state.view))) ? edit : null;
}

const sameGrid = (one, other) =>
  String(one.shape) === String(other.shape) &&
  one.affine.every((row, i) => row.every((value, j) => Math.abs(value - other.affine[i][j]) < 1e-3));

// A correction that was begun is there again when its study and an image on its grid are.
function showDraft(state) {
  const edit = editOf(state);
  if (edit && state.draft !== edit.correction.values) viewer.setDraft(edit.correction.values);
  editor.show();
}

// Why the mask on view cannot be corrected; empty: it can.
export function whyNot(state, empty) {
  if (!state.view) return "there is no image";
  if (!state.view.image) return "this image is not in the list of images, so no label can be saved for it";
  if (empty) return "";
  if (!state.layers.first || state.kinds.first === "none") return "no mask is shown";
  if (state.first !== "label" && !state.view.masks[state.first]) return "the mask lies on another image: open that one";
  return "";
}

// Begins with the mask on view, or with an empty one.
export function begin(state, empty) {
  const { view, model, listed } = state;
  const base = empty ? null : maskOf(state, state.first);
  const values = empty ? new Uint8Array(view.shape.reduce((a, b) => a * b)) : Uint8Array.from(state.layers.first);
  const correction = new Correction(values, view, regionsOf(model));
  const origin = base?.ccsd?.model ?? base?.corrected_from ?? "";
  const known = empty ? [] : base.regions ?? Object.keys(model.regions);
  edits.set(listed.id, { study: listed.id, image: view.image, view, correction, origin, known, saving: false });
  editor.region ??= Object.keys(model.regions)[0];
  viewer.setDraft(values);
  editor.show();
}

// The regions that the label will know: those of the mask before, and those that were painted.
export function knownOf(edit, model) {
  const all = new Set([...edit.known, ...edit.correction.touched]);
  return Object.keys(model.regions).filter((region) => all.has(region));
}

export async function discard(state) {
  const edit = editOf(state, { here: false });
  if (edit.correction.dirty && !confirm("Unsaved corrections will be lost. Discard them?")) return;
  await close(edit);
}

async function close(edit) {
  edits.delete(edit.study);
  if (viewer.state.listed.id !== edit.study) return;
  viewer.setDraft(null);
  await viewer.reload();
  editor.show();
}

export async function save(state) {
  const edit = editOf(state);
  if (!edit || edit.saving) return;
  edit.saving = true;
  editor.show();
  try {
    const answer = await send(edit, state.model);
    edit.correction.saved = edit.correction.done.length;
    markLabelled(edit.study);
    await close(edit);
    if (viewer.state.listed.id === edit.study) await viewer.choose("first", "label");
    const stored = String(answer.dicom_seg ?? "").startsWith("not stored") ? [`In the DICOM store it is ${answer.dicom_seg}`] : [];
    say([`The correction is saved as the final label of ${edit.image}`, ...answer.warnings, ...stored].join(". ") + ".");
  } finally {
    edit.saving = false;
    editor.show();
  }
}

async function send(edit, model) {
  const { paints, regions } = model;
  const known = knownOf(edit, model);
  const name = Object.fromEntries(model.labels.map((label) => [label.value, label.name]));
  const segments = known.map((region) => ({ name: name[paints[region]], idx: paints[region] }));
  const told = {
    ...(edit.origin ? { corrected_from: edit.origin } : {}),
    ...(known.length < Object.keys(regions).length ? { label_info: segments } : {}),
  };
  const body = new FormData();
  body.append("label", await gzippedNifti(edit.correction.values, edit.view), "corrected.nii.gz");
  body.append("params", JSON.stringify(told));
  return json("../datastore/label", { query: { image: edit.image, tag: "final" }, method: "PUT", body });
}

function pointer({ type, pane, plane, exact, event }) {
  const edit = editOf(viewer.state);
  if (!edit || edit.saving || pane.layer !== "first") return false;
  const { correction } = edit;
  hover = { pane, exact };
  if (type === "down") {
    const plain = event.button === 0 && !event.shiftKey && !event.ctrlKey && !event.altKey;
    if (!plain || editor.tool === "none") return false;
    correction.begin(plane, viewer.state.cursor[PLANES[plane].axis]);
  }
  if (!correction.stroke) {
    viewer.redraw();
    return false;
  }
  if (type === "cancel") correction.cancel(), editor.show();
  else if (type === "up") finish(correction.end());
  else correction.paint(exact, brush());
  viewer.changed();
  return true;
}

const brush = () => ({ region: editor.region, erase: editor.tool === "eraser", radius: editor.size / 2 });

function finish(changed) {
  if (changed) viewer.changed();
  editor.show();
}

// One touch of the brush at the crosshair, for the keyboard.
function dab(plane) {
  const { correction } = editOf(viewer.state);
  correction.begin(plane, viewer.state.cursor[PLANES[plane].axis]);
  correction.paint(viewer.state.cursor, brush());
  finish(correction.end());
}

export function fillOutline(plane) {
  const changed = editOf(viewer.state).correction.fill(plane, viewer.state.cursor[PLANES[plane].axis], editor.region);
  if (!changed) say(`There is no closed outline of ${editor.region} in this ${plane} slice.`);
  finish(changed);
}

// Back, or forward again: the slice of the stroke is gone to.
export function step(way) {
  const stroke = editOf(viewer.state).correction[way]();
  if (stroke) viewer.goTo(stroke.plane, stroke.index);
  finish(Boolean(stroke));
}

export function resize(by) {
  editor.size = Math.min(SIZES[1], Math.max(SIZES[0], editor.size + by));
  editor.show();
  viewer.redraw();
}

export function pick(changes) {
  Object.assign(editor, changes);
  editor.show();
  viewer.redraw();
}

// The plane that has the keyboard, else the largest.
export const planeNow = () =>
  (viewer.panes().find((pane) => pane.canvas === document.activeElement) ?? viewer.panes()[0]).plane;

const LETTERS = {
  b: () => pick({ tool: "brush" }),
  e: () => pick({ tool: "eraser" }),
  v: () => pick({ tool: "none" }),
  f: () => fillOutline(planeNow()),
  "[": () => resize(-1),
  "]": () => resize(1),
};

function keys(event) {
  const edit = editOf(viewer.state);
  const field = event.target.closest?.("input:not([type=range], [type=checkbox]), select, textarea, dialog");
  if (!edit || edit.saving || field || byId("studies").hidden) return;
  const work = event.ctrlKey || event.metaKey ? withControl(event) : alone(event);
  if (!work) return;
  event.preventDefault();
  attempt(work);
}

function withControl({ key, shiftKey }) {
  const back = () => step("undo");
  const forward = () => step("redo");
  return { z: shiftKey ? forward : back, y: forward, s: () => save(viewer.state) }[key.toLowerCase()];
}

function alone({ key, altKey, target }) {
  if (altKey) return null;
  const pane = viewer.panes().find(({ canvas }) => canvas === target);
  if (key === " " && pane && editor.tool !== "none") return () => dab(pane.plane);
  const region = Object.keys(viewer.state.model.regions)[Number(key) - 1];
  return region ? () => pick({ region }) : LETTERS[key.toLowerCase()];
}

// The edge of the brush where the pointer is.
function drawBrush({ pane, brush: pen, place, state }) {
  if (!editOf(state) || editor.tool === "none" || hover?.pane !== pane) return;
  const { across, down } = PLANES[pane.plane];
  const [column, row] = toPicture(state.view, pane.plane, hover.exact);
  const radii = [across, down].map((axis) => editor.size / 2 / state.view.spacing[axis]);
  for (const [colour, width] of [["#000", 3], ["#fff", 1.5]]) {
    pen.beginPath();
    pen.ellipse(place.x + column * place.across, place.y + row * place.down, radii[0] * place.across, radii[1] * place.down, 0, 0, 2 * Math.PI);
    pen.strokeStyle = colour;
    pen.lineWidth = width * devicePixelRatio;
    pen.setLineDash(editor.tool === "eraser" ? [6, 4] : []);
    pen.stroke();
  }
  pen.setLineDash([]);
}
