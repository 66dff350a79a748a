// The viewer: an image of a study in linked planes, masks over it. The voxels are here; wheel, window and zoom ask nobody.
//
// For other modules (editor.js):
//   openStudy(listed)            shows a study of the list
//   viewer.state                 what is on view, to read: {listed, details, model, work, modality, name, view, image,
//                                cursor [x, y, z], window, layout, first, second, layers {first, second}, ...}; null
//                                before a study is open; `view` is null until its first image is there
//     .view                      the image: {image (id), shape, spacing, affine (voxel -> RAS+ mm), coding, label, ...}
//     .layers.first              Uint8Array of the mask on view, x fastest, as volume.js says, or null
//     .work.masks                the masks made of this study, the newest last: {mask (name on the server), title, ccsd,
//                                extent, agreement (whether it has a map)}
//   viewer.panes()               the panes on view: {plane, layer, canvas, toVoxel(x, y), toPicture(x, y), element}
//   viewer.on("pointer", f)      f({type: "down" | "move" | "up" | "cancel", plane, pane, voxel, exact, event}); voxel is
//                                [x, y, z] whole, exact with fractions; true from "down" takes the drag: the viewer
//                                leaves it alone, unless a second finger makes it a pinch ("cancel")
//   viewer.on("key", f)          f({event, plane, pane}); true: taken
//   viewer.on("render", f)       f({pane, brush, place, index, state}) after a pane is drawn; place {x, y, across, down}:
//                                the picture's corner and a voxel's width and height in canvas pixels
//   viewer.on("change", f)       f(state): another study, image or mask is on view
//   viewer.on("controls", f)     f(state) -> element or null, put below the masks' controls each time they are built anew
//   viewer.setDraft(values)      shows these values (Uint8Array of view's shape) in place of the mask on view, or, with
//                                null, no more; call viewer.changed() after writing into them
//   viewer.addMask(made)         a mask that the server keeps ({mask, title, extent, ccsd?}) is listed and shown
//   viewer.reload()              asks for the image anew: after a label was saved
//   viewer.set(changes), viewer.moveTo(voxel), viewer.redraw()

import { json } from "./api.js";
import { showControls } from "./controls.js";
import { attempt, say } from "./dom.js";
import { buildStage, drawStage, panesOf } from "./stage.js";
import { contentOf, fetchMask, fetchVolume, inside, PLANES, samePlace, toPicture } from "./volume.js";

const KEPT = 4; // images in memory
const NONE = "none";

const works = new Map(); // study -> what was asked for it: {masks, modality, chosen, asked, doing}
const volumes = new Map(); // image -> promise of its voxels, the oldest first
const listeners = new Map();
let opening = 0; // the study that was clicked last is shown, whichever answers first
let choosing = 0; // and of its images
let drawing = 0;

// 0 to 255 of a map of agreement: clear where all agree, the darker the fewer; seen by the colour-blind too.
const RAMP = Array.from({ length: 256 }, (_, i) => {
  const stops = [[90, 0, 70], [170, 20, 60], [213, 94, 0], [240, 170, 40], [250, 235, 130]];
  const at = (i / 255) * (stops.length - 1);
  const [below, share] = [Math.min(stops.length - 2, Math.floor(at)), at - Math.min(stops.length - 2, Math.floor(at))];
  return i === 255 ? undefined : [...stops[below].map((v, c) => v + share * (stops[below + 1][c] - v)), 255];
});

const freshViews = () => Object.fromEntries(Object.keys(PLANES).map((plane) => [plane, { zoom: 1, x: 0, y: 0 }]));

export const viewer = {
  state: null,
  on(event, listener) {
    listeners.set(event, [...(listeners.get(event) ?? []), listener]);
  },
  emit: (event, told) => (listeners.get(event) ?? []).some((listener) => listener(told) === true),
  collect: (event, told) => (listeners.get(event) ?? []).map((listener) => listener(told)),
  panes: () => panesOf(viewer.state),
  redraw: refresh,

  set(changes) {
    Object.assign(viewer.state, changes);
    refresh();
  },
  goTo(plane, index) {
    const cursor = [...viewer.state.cursor];
    cursor[PLANES[plane].axis] = index;
    viewer.moveTo(cursor);
  },
  step: (plane, by) => viewer.goTo(plane, viewer.state.cursor[PLANES[plane].axis] + by),
  // one voxel across and down the picture
  nudge(plane, [across, down]) {
    const cursor = [...viewer.state.cursor];
    cursor[PLANES[plane].across] -= across;
    cursor[PLANES[plane].down] -= down;
    viewer.moveTo(cursor);
  },
  moveTo: (voxel) => viewer.set({ cursor: inside(viewer.state.view, voxel) }),
  // shares of the image's first window
  changeWindow(width, level) {
    const { window: [low, high], view } = viewer.state;
    const range = view.window[1] - view.window[0];
    const wide = Math.max(range / 1000, high - low + width * range);
    const middle = (low + high) / 2 + level * range;
    viewer.set({ window: [middle - wide / 2, middle + wide / 2] });
  },
  // `at`: px on the pane that stay where they are; the crosshair, if none
  zoom(pane, factor, at) {
    const { view, views, cursor } = viewer.state;
    const own = views[pane.plane];
    const zoom = Math.min(40, Math.max(0.5, own.zoom * factor));
    const [column, row] = at ? pane.toPicture(...at) : toPicture(view, pane.plane, cursor);
    const middle = contentOf(view, pane.plane);
    const change = 1 - own.zoom / zoom;
    own.x += (column - middle.column - own.x) * change;
    own.y += (row - middle.row - own.y) * change;
    own.zoom = zoom;
    refresh();
  },
  pan(pane, [x, y]) {
    const own = viewer.state.views[pane.plane];
    const [[left, top], [right, bottom]] = [pane.toPicture(0, 0), pane.toPicture(x, y)];
    own.x -= right - left;
    own.y -= bottom - top;
    refresh();
  },
  reset: () => viewer.set({ views: freshViews(), window: [...viewer.state.view.window] }),
  // "fill", "outline" or "agreement"
  drawAs(style) {
    viewer.state.style = style;
    attempt(() => showMasks(viewer.state));
  },
  toggleMask() {
    const { first, before } = viewer.state;
    attempt(() => viewer.choose("first", first === NONE ? before : NONE));
  },

  // Another mask, or none, in the first or second place. One that does not reach the slices on view is gone to.
  async choose(layer, name) {
    const own = viewer.state;
    if (layer === "first" && own.first !== NONE) own.before = own.first;
    own[layer] = name;
    if (layer === "first") own.hidden = name === NONE;
    await showMasks(own);
    if (own === viewer.state) goToMask(own, layer);
  },
  async addMask(made) {
    const own = viewer.state;
    own.work.masks.push(made);
    own.view.masks[made.mask] = true;
    await viewer.choose("first", made.mask);
  },
  setDraft(values) {
    viewer.state.draft = values;
    viewer.changed();
  },
  changed() {
    viewer.state.version++;
    name(viewer.state);
    refresh();
  },
  reload: () => openImage(viewer.state.modality),
  openImage,

  // A study's masks are the study's, whichever is on view when they come.
  async made(own, made) {
    own.work.masks.push(made);
    own.work.modality = own.modality;
    if (viewer.state.work !== own.work) return say(`The mask of ${own.listed.id} is ready: open the study to see it.`);
    const shown = viewer.state;
    await openImage(shown.modality);
    if (shown === viewer.state) await viewer.choose("first", made.mask);
  },
  // a study begins to be segmented, gets on, or ends
  working(own) {
    const row = document.querySelector(`.study[data-study="${CSS.escape(own.listed.id)}"] .busy`);
    if (row) row.hidden = !own.work.asked;
    if (viewer.state.work === own.work) refresh();
  },
  isShown: (own) => viewer.state.work === own.work,
};

export const isBusy = (study) => Boolean(works.get(study)?.asked);

export async function openStudy(listed) {
  const turn = ++opening;
  say("");
  const [details, model] = await Promise.all([
    json("data/study", { query: { image: listed.image } }),
    json("data/model"),
  ]);
  if (turn !== opening) return;
  const present = details.badges.filter((c) => c.name).map((c) => c.modality);
  if (!works.has(listed.id)) works.set(listed.id, { masks: [], modality: null, chosen: null, asked: null, doing: null });
  const work = works.get(listed.id);
  volumes.clear();
  viewer.state = {
    listed, details, model, present, work,
    modality: null, name: "", view: null, image: null, cursor: null, window: null, layout: "three", views: freshViews(),
    first: NONE, second: NONE, before: NONE, hidden: false, loaded: {}, layers: {}, maps: {}, kinds: {}, titles: {}, draft: null, version: 0,
    style: "fill", opacity: 0.5, crosshair: true, tool: "crosshair", notes: [], dice: null,
    colours: coloursOf(model.labels), ramp: RAMP,
  };
  buildStage(viewer);
  const first = work.modality ?? (present.includes("flair") ? "flair" : present[0] ?? details.others[0]?.image);
  if (first) await openImage(first);
  else refresh();
}

// `modality`, or the id of an image that is not used.
async function openImage(modality) {
  const own = viewer.state;
  const turn = ++choosing;
  const query = { image: own.listed.image, modality };
  const view = await json("data/view", { query: { ...query, masks: own.work.masks.map((m) => m.mask).join(",") } });
  const values = await voxels(query, view);
  if (own !== viewer.state || turn !== choosing) return;
  const before = own.view;
  const lost = own.work.masks.filter((m) => !(m.mask in view.masks));
  own.work.masks = own.work.masks.filter((m) => m.mask in view.masks);
  const another = own.modality !== modality;
  const cursor = before ? samePlace(before, own.cursor, view) : view.shape.map((n) => Math.floor(n / 2));
  Object.assign(own, {
    modality, view, cursor, name: view.name, image: { values, view }, cached: new Map(), loaded: {}, layers: {}, maps: {}, draft: another ? null : own.draft, version: own.version + 1,
    window: another || !own.window ? [...view.window] : own.window,
    notes: lost.length ? ["A mask is no longer kept: segment again to see it."] : [],
  });
  own.first = stillThere(own, own.first) ?? (own.hidden ? NONE : own.work.masks.at(-1)?.mask ?? (view.label ? "label" : NONE));
  own.second = stillThere(own, own.second) ?? NONE;
  await showMasks(own);
  if (!before && own === viewer.state) goToMask(own, "first");
}

const stillThere = ({ work, view }, name) =>
  (name === "label" && view.label) || work.masks.some((m) => m.mask === name) ? name : null;

function voxels(query, view) {
  const found = volumes.get(query.modality) ?? fetchVolume(query, view);
  volumes.delete(query.modality);
  volumes.set(query.modality, found);
  found.catch(() => volumes.delete(query.modality));
  if (volumes.size > KEPT) volumes.delete(volumes.keys().next().value);
  return found;
}

// A mask by the name it is chosen by: what is known of it.
export const maskOf = ({ work, view }, name) =>
  name === "label" ? view?.label : work.masks.find((m) => m.mask === name) ?? null;

async function showMasks(own) {
  const wanted = ["first", "second"].map((layer) => own[layer]);
  const masks = wanted.map((choice) => maskOf(own, choice));
  const style = own.style;
  const [first, second, ...maps] = await Promise.all([
    ...masks.map((mask) => mask && valuesOf(own, mask.mask, "mask")),
    ...masks.map((mask) => mask?.agreement && style === "agreement" ? valuesOf(own, mask.mask, "agreement") : null),
  ]);
  const stale = () => own !== viewer.state || style !== own.style || wanted.join() !== [own.first, own.second].join();
  if (stale()) return;
  Object.assign(own, { loaded: { first, second }, maps: { first: maps[0], second: maps[1] }, dice: null });
  name(own);
  refresh();
  viewer.emit("change", own);
  if (!masks.every(Boolean)) return;
  const dice = await once(own, `dice ${wanted}`, () => diceOf(...masks.map((m) => m.mask)));
  if (!stale()) viewer.set({ dice });
}

const valuesOf = (own, mask, part) =>
  once(own, `${part} ${mask}`, () => fetchMask({ mask, part, image: own.listed.image, modality: own.modality }));

// As long as the image is on view.
function once({ cached }, key, make) {
  if (!cached.has(key)) cached.set(key, make());
  const found = cached.get(key);
  Promise.resolve(found).catch(() => cached.delete(key));
  return found;
}

const diceOf = async (first, second) => {
  try {
    return { values: await json("data/dice", { query: { first, second } }) };
  } catch (error) {
    return { why: error.message };
  }
};

// What is shown in the two places, in words.
function name(own) {
  for (const layer of ["first", "second"]) {
    const mask = maskOf(own, own[layer]);
    own.kinds[layer] = own[layer] === "label" ? "label" : mask ? "made" : NONE;
    own.titles[layer] = own[layer] === "label" ? "saved label" : mask?.title ?? "no mask";
  }
  own.layers = own.draft ? { ...own.loaded, first: own.draft } : own.loaded;
  if (own.draft) own.kinds.first = "draft";
}

function goToMask(own, layer) {
  const extent = maskOf(own, own[layer])?.extent;
  const fits = own[layer] === "label" || own.view.masks[own[layer]];
  if (!extent || !fits) return;
  const outside = own.cursor.some((v, axis) => v < extent.first[axis] || v > extent.last[axis]);
  if (outside || !own.placed) own.cursor = [...extent.start];
  own.placed = true;
  refresh();
}

const coloursOf = (labels) => labels.reduce((colours, { value, colour }) => {
  colours[value] = [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16)).concat(255);
  return colours;
}, []);

function refresh() {
  cancelAnimationFrame(drawing);
  drawing = requestAnimationFrame(() => attempt(() => {
    showControls(viewer.state, viewer);
    if (viewer.state.view) drawStage(viewer.state, viewer);
  }));
}

