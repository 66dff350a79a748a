// The viewer: one image of a study in one plane, a mask over it. What is drawn is what the server cut, in true proportions.

import { json, picture, post } from "./api.js";
import { attempt, byId, el, fill, say } from "./dom.js";
import { buildControls, showControls } from "./controls.js";

const KEPT = 96; // slices in memory

const bitmaps = new Map(); // address -> promise of a bitmap, the oldest first
const works = new Map(); // study -> what was asked for it: {made, modality, chosen, asked}
let state = null;
let opening = 0; // the study that was clicked last is shown, whichever answers first
let drawing = false;
let again = false;

export async function openStudy(listed) {
  const own = ++opening;
  say("");
  const [details, model] = await Promise.all([
    json("data/study", { query: { image: listed.image } }),
    json("data/model"),
  ]);
  if (own !== opening) return;
  const present = details.badges.filter((c) => c.name).map((c) => c.modality);
  if (!works.has(listed.id)) works.set(listed.id, { made: null, modality: null, chosen: null, asked: null });
  const work = works.get(listed.id);
  state = {
    listed, details, model, present, work,
    modality: null, view: null, plane: "axial", index: {}, low: 1, high: 99.5,
    overlay: "none", hidden: false, opacity: 0.5, note: "",
  };
  build();
  const first = work.modality ?? (present.includes("flair") ? "flair" : present[0] ?? details.others[0]?.image);
  if (first) await openImage(first);
  else showControls(state, actions);
}

export const isBusy = (study) => Boolean(works.get(study)?.asked);

// `modality`, or the id of an image that is not used.
async function openImage(modality) {
  const own = state;
  const made = own.work.made;
  const view = await json("data/view", { query: { image: own.listed.image, modality, mask: made?.mask ?? "" } });
  if (own !== state) return;
  const before = own.view;
  bitmaps.clear();
  Object.assign(own, { modality, view, note: note(own, view) });
  if (made && !view.kept) own.work.made = null;
  own.overlay = overlayOn(own, view);
  for (const [name, plane] of Object.entries(view.planes)) {
    own.index[name] = before ? samePlace(before.planes[name], own.index[name], plane) : plane.start;
  }
  if (!before) goToMask(own);
  refresh();
}

function note({ work, details }, view) {
  const label = details.others.find((one) => one.labelled);
  if (work.made && !view.kept) return "The mask is not kept any more: segment again to see it.";
  if (work.made && !view.fits) return "The mask lies on another series: segment again to see it on this one.";
  if (label && !view.label) return `The saved label was drawn on ${label.name}, which is not used: choose it to see the label.`;
  return "";
}

// What was shown goes on to be shown where it can be.
function overlayOn({ overlay, hidden }, view) {
  const able = { made: view.fits, label: Boolean(view.label) };
  if (hidden) return "none";
  return [overlay, "made", "label"].find((one) => able[one]) ?? "none";
}

// The slice of another series at the same place in the patient; of one that does not reach there, at the same share.
function samePlace(from, index, to) {
  const [first, step] = to.at;
  const found = Math.round((from.at[0] + from.at[1] * index - first) / step);
  const within = found >= -1 && found <= to.slices;
  const share = Math.floor(((index + 0.5) / from.slices) * to.slices);
  return Math.min(to.slices - 1, Math.max(0, within ? found : share));
}

const planesOfMask = ({ overlay, work, view }) =>
  ({ made: work.made?.planes, label: view.label?.planes })[overlay] ?? {};

function goToMask(own) {
  for (const [name, plane] of Object.entries(planesOfMask(own))) own.index[name] = plane.start;
}

// A mask that does not reach the slice on view is gone to.
function chooseOverlay(overlay) {
  Object.assign(state, { overlay, hidden: overlay === "none" });
  for (const [name, { start, extent }] of Object.entries(planesOfMask(state))) {
    const index = state.index[name];
    if (extent && (index < extent[0] || index > extent[1])) state.index[name] = start;
  }
  refresh();
}

// A study's mask is asked for: it is the study's, whichever is on view when it comes.
async function segment(own, modalities, signal) {
  const { work, listed, modality, view } = own;
  const made = await post("data/segment", { image: view.image, modalities }, { signal });
  Object.assign(work, { made, modality });
  if (state.work !== work) return say(`The mask of ${listed.id} is ready: open the study to see it.`);
  const shown = state;
  await openImage(shown.modality);
  if (state !== shown || !shown.view.fits) return;
  Object.assign(shown, { overlay: "made", hidden: false });
  goToMask(shown);
  refresh();
}

const actions = {
  openImage,
  chooseOverlay,
  segment,
  set(changes) {
    Object.assign(state, changes);
    refresh();
  },
  // a study begins to be segmented, or ends
  working(own) {
    const row = document.querySelector(`.study[data-study="${CSS.escape(own.listed.id)}"] .busy`);
    if (row) row.hidden = !own.work.asked;
    if (state.work === own.work) showControls(state, actions);
  },
  isShown: (own) => state.work === own.work,
};

function build() {
  const canvas = el("canvas", { id: "canvas", tabindex: 0, role: "img", onkeydown: keys });
  canvas.addEventListener("wheel", wheel, { passive: false });
  const letters = ["left", "right", "top", "bottom"].map((edge) => el("span", { class: `edge ${edge}`, id: `edge-${edge}` }));
  const slider = el("input", {
    type: "range", id: "slider", min: 0, "aria-label": "Slice", oninput: (event) => move(Number(event.target.value)),
  });
  fill(byId("viewer"),
    el("div", { class: "screen" },
      el("div", { class: "frame" }, canvas, letters),
      el("div", { class: "slice" }, slider, el("output", { id: "position", for: "slider" }))),
    el("div", { id: "controls" }));
  buildControls(byId("controls"));
  new ResizeObserver(() => refresh()).observe(document.querySelector(".frame"));
  if (matchMedia("(max-width: 60rem)").matches) byId("viewer").scrollIntoView({ behavior: "smooth" });
}

function move(index) {
  const { slices } = state.view.planes[state.plane];
  state.index[state.plane] = Math.min(slices - 1, Math.max(0, index));
  refresh();
}

const step = (by) => state.view && move(state.index[state.plane] + by);

function keys(event) {
  const steps = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1, PageUp: 10, PageDown: -10 };
  if (!(event.key in steps)) return;
  event.preventDefault();
  step(steps[event.key]);
}

let turned = 0;

function wheel(event) {
  event.preventDefault();
  turned += event.deltaY / (event.deltaMode === 0 ? 60 : 1);
  const by = Math.trunc(turned);
  turned -= by;
  if (by) step(-by);
}

function refresh() {
  showControls(state, actions);
  if (!state.view) return;
  const plane = state.view.planes[state.plane];
  const index = state.index[state.plane];
  byId("slider").max = plane.slices - 1;
  byId("slider").value = index;
  byId("position").textContent = `${index + 1} of ${plane.slices}`;
  for (const [edge, letter] of Object.entries(plane.edges)) byId(`edge-${edge}`).textContent = letter;
  again = true;
  if (!drawing) attempt(drawLatest);
}

// One drawing at a time; what the slider passed meanwhile is left out.
async function drawLatest() {
  drawing = true;
  try {
    while (again) {
      again = false;
      await draw();
    }
  } finally {
    drawing = false;
  }
}

async function draw() {
  const own = state;
  const { view, plane, opacity } = own;
  const index = own.index[plane];
  const [image, mask] = await Promise.all(layers(own, index));
  if (own !== state || own.view !== view) return;
  const canvas = byId("canvas");
  const [width, height] = view.planes[plane].mm;
  const frame = canvas.parentElement;
  const scale = Math.min(frame.clientWidth / width, frame.clientHeight / height);
  const fine = scale * devicePixelRatio;
  canvas.width = Math.round(width * fine);
  canvas.height = Math.round(height * fine);
  canvas.style.width = `${width * scale}px`;
  canvas.style.height = `${height * scale}px`;
  const brush = canvas.getContext("2d");
  brush.imageSmoothingQuality = "high";
  brush.drawImage(image, 0, 0, canvas.width, canvas.height);
  if (mask) {
    brush.imageSmoothingEnabled = false;
    brush.globalAlpha = opacity;
    brush.drawImage(mask, 0, 0, canvas.width, canvas.height);
  }
  canvas.setAttribute("aria-label", `${own.modality}, ${plane} slice ${index + 1}, ${mask ? "with a mask" : "no mask"}`);
  canvas.dataset.opacity = opacity;
  canvas.dataset.drawn = `${own.modality} ${plane} ${index} ${own.overlay}`;
  const next = index + 1 < view.planes[plane].slices ? layers(own, index + 1) : [];
  for (const early of next) Promise.resolve(early).catch(() => null);
}

function layers(own, index) {
  const { view, plane, low, high } = own;
  const where = { plane, index };
  const shown = { made: own.work.made?.mask, label: view.label?.mask }[own.overlay];
  return [
    bitmap("data/slice", { image: own.listed.image, modality: own.modality, ...where, low, high }),
    shown ? bitmap("data/mask", { mask: shown, ...where }) : null,
  ];
}

function bitmap(path, query) {
  const key = `${path} ${JSON.stringify(query)}`;
  const found = bitmaps.get(key) ?? picture(path, query);
  bitmaps.delete(key);
  bitmaps.set(key, found);
  found.catch(() => bitmaps.delete(key));
  if (bitmaps.size > KEPT) bitmaps.delete(bitmaps.keys().next().value);
  return found;
}
