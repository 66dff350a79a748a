// The viewer: one image of a study in one plane, a mask over it. What is drawn is what the server cut, in true proportions.

import { json, picture } from "./api.js";
import { attempt, byId, el, fill } from "./dom.js";
import { buildControls, showControls } from "./controls.js";

const KEPT = 96; // slices in memory

const bitmaps = new Map(); // address -> promise of a bitmap, the oldest first
let state = null;
let drawing = false;
let again = false;

export async function openStudy(listed) {
  const [details, model] = await Promise.all([
    json("data/study", { query: { image: listed.image } }),
    json("data/model"),
  ]);
  const present = details.chips.filter((c) => c.name).map((c) => c.modality);
  state = {
    listed, details, model, present,
    modality: null, view: null, plane: "axial", index: {}, low: 1, high: 99.5,
    overlay: "none", made: null, opacity: 0.5, note: "",
  };
  build();
  if (present.length) await openImage(present.includes("flair") ? "flair" : present[0]);
  else showControls(state, actions);
}

export async function openImage(modality) {
  const own = state;
  const query = { image: own.listed.image, modality, mask: own.made?.mask ?? "" };
  const view = await json("data/view", { query });
  if (own !== state) return;
  const same = own.view && own.view.grid === view.grid;
  bitmaps.clear();
  Object.assign(own, { modality, view });
  if (!same) for (const [name, plane] of Object.entries(view.planes)) own.index[name] = plane.start;
  own.note = own.made && !view.fits ? "The mask lies on another series: segment again to see it on this one." : "";
  if (own.overlay === "made" && !view.fits) own.overlay = "none";
  if (own.overlay === "label" && !view.label) own.overlay = "none";
  if (own.overlay === "none" && view.fits) own.overlay = "made";
  if (own.overlay === "none" && view.label) chooseOverlay("label");
  else refresh();
}

export function chooseOverlay(overlay) {
  state.overlay = overlay;
  const planes = overlay === "made" ? state.made.planes : overlay === "label" ? state.view.label.planes : {};
  for (const [name, plane] of Object.entries(planes)) state.index[name] = plane.start;
  refresh();
}

const actions = {
  openImage,
  chooseOverlay,
  set(changes) {
    Object.assign(state, changes);
    refresh();
  },
  // a mask that was asked for a study and an image which are perhaps not the ones shown any more
  async take(own, made) {
    if (own !== state) return;
    state.made = made;
    const { fits } = await json("data/view", {
      query: { image: state.listed.image, modality: state.modality, mask: made.mask },
    });
    if (own !== state) return;
    state.view.fits = fits;
    state.note = "";
    if (fits) chooseOverlay("made");
    else refresh();
  },
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
  const shown = { made: own.made?.mask, label: view.label?.mask }[own.overlay];
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
