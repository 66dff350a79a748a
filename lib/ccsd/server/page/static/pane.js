// One pane: a plane of the image with a mask over it, the crosshair, letters at its edges and a slider below.

import { el } from "./dom.js";
import { colourPicture, greyPicture, outlines } from "./picture.js";
import { contentOf, PLANES, sizeOf, toPicture, toVoxel } from "./volume.js";

const GAP = 7; // px around the crosshair's middle
const LINE = 1.6; // px of an outline
const MARGIN = 0.94; // share of a pane that the head takes at first; the letters have the rest

// `layer`: "first" or "second", which of the two masks is shown; `input` attaches what a hand does.
export function buildPane(plane, layer, viewer, input) {
  const name = layer === "first" ? plane : `${plane}-second`;
  const canvas = el("canvas", { id: `canvas-${name}`, tabindex: 0, role: "img", "aria-describedby": "pane-help" });
  const letters = Object.fromEntries(["left", "right", "top", "bottom"].map((side) =>
    [side, el("span", { class: `edge ${side}`, "aria-hidden": "true" })]));
  const slider = el("input", {
    type: "range", id: `slider-${name}`, min: 0, "aria-label": `${plane} slice`,
    oninput: (event) => viewer.goTo(plane, Number(event.target.value)),
  });
  const position = el("output", { id: `position-${name}`, for: `slider-${name}` });
  const title = el("span", { class: "title" });
  const element = el("figure", { class: "pane", "data-plane": plane, "data-layer": layer },
    el("div", { class: "frame" }, canvas, Object.values(letters), title),
    el("div", { class: "slice" }, slider, position));
  const pane = { name, plane, layer, canvas, letters, slider, position, title, element, kept: new Map() };
  input(pane, viewer);
  return pane;
}

export function drawPane(pane, state) {
  const { view, cursor } = state;
  const { plane, canvas } = pane;
  const index = cursor[PLANES[plane].axis];
  const place = (pane.place = placePicture(pane, state));
  pane.toPicture = (x, y) => [(x * devicePixelRatio - place.x) / place.across, (y * devicePixelRatio - place.y) / place.down];
  pane.toVoxel = (x, y) => toVoxel(view, plane, index, pane.toPicture(x, y));
  const brush = canvas.getContext("2d");
  brush.setTransform(1, 0, 0, 1, 0, 0);
  brush.clearRect(0, 0, canvas.width, canvas.height);
  brush.imageSmoothingQuality = "high";
  put(brush, place, kept(pane, "grey", [state.image, index, ...state.window],
    () => greyPicture(state.image, plane, index, state.window)), true);
  drawMask(brush, place, pane, state, index);
  if (state.crosshair) drawCrosshair(brush, place, pane, state);
  label(pane, state, index, place);
}

// Where the picture lies on the canvas, in its pixels: its corner, and a voxel's width and height.
function placePicture({ plane, canvas }, { view, views }) {
  const frame = canvas.parentElement;
  const [wide, high] = [frame.clientWidth, frame.clientHeight].map((edge) => Math.max(1, Math.round(edge * devicePixelRatio)));
  if (canvas.width !== wide) canvas.width = wide;
  if (canvas.height !== high) canvas.height = high;
  const { mm } = sizeOf(view, plane);
  const { column, row, width, height } = contentOf(view, plane);
  const { zoom, x, y } = views[plane];
  const scale = zoom * Math.min(wide / (width * mm[0]), high / (height * mm[1])) * MARGIN;
  const [across, down] = [scale * mm[0], scale * mm[1]];
  return { across, down, x: wide / 2 - across * (column + x), y: high / 2 - down * (row + y) };
}

function put(brush, { x, y, across, down }, picture, smooth) {
  brush.imageSmoothingEnabled = smooth;
  brush.drawImage(picture, x, y, across * picture.width, down * picture.height);
}

function drawMask(brush, place, pane, state, index) {
  const { style, opacity, view } = state;
  const values = state.layers[pane.layer];
  const map = style === "agreement" ? state.maps[pane.layer] : null;
  const painted = map ?? (style === "outline" ? null : values);
  brush.globalAlpha = opacity;
  if (painted) {
    const colours = map ? state.ramp : state.colours;
    put(brush, place, kept(pane, "fill", [painted, state.version, index], () => colourPicture(view, painted, pane.plane, index, colours)), false);
  }
  brush.globalAlpha = Math.min(1, 2 * opacity); // thin lines
  if (values && (style === "outline" || map)) drawOutlines(brush, place, pane, state, index);
  brush.globalAlpha = 1;
}

function drawOutlines(brush, place, pane, { view, layers, version, colours }, index) {
  const values = layers[pane.layer];
  brush.lineWidth = LINE * devicePixelRatio;
  brush.lineCap = "square";
  const paths = kept(pane, "outline", [values, version, index], () => outlines(view, values, pane.plane, index));
  for (const [value, path] of paths) {
    const moved = new Path2D();
    moved.addPath(path, new DOMMatrix([place.across, 0, 0, place.down, place.x, place.y]));
    brush.strokeStyle = `rgb(${colours[value].slice(0, 3).join(" ")})`;
    brush.stroke(moved);
  }
}

function drawCrosshair(brush, place, pane, { view, cursor }) {
  const { canvas, plane } = pane;
  const [column, row] = toPicture(view, plane, cursor);
  const x = Math.round(place.x + place.across * column) + 0.5;
  const y = Math.round(place.y + place.down * row) + 0.5;
  const gap = GAP * devicePixelRatio;
  brush.strokeStyle = "rgb(40 210 160 / .85)";
  brush.lineWidth = Math.max(1, Math.floor(devicePixelRatio));
  brush.beginPath();
  for (const [a, b] of [[0, x - gap], [x + gap, canvas.width]]) brush.moveTo(a, y), brush.lineTo(b, y);
  for (const [a, b] of [[0, y - gap], [y + gap, canvas.height]]) brush.moveTo(x, a), brush.lineTo(x, b);
  brush.stroke();
}

function label(pane, state, index, place) {
  const { plane, canvas, slider } = pane;
  const count = state.view.shape[PLANES[plane].axis];
  const kind = state.kinds[pane.layer];
  const shown = state.titles[pane.layer];
  slider.max = count - 1;
  slider.value = index;
  slider.setAttribute("aria-valuetext", `${index + 1} of ${count}`);
  text(pane.position, `${index + 1} of ${count}`);
  text(pane.title, state.second === "none" ? plane : shown);
  for (const [side, letters] of Object.entries(state.view.edges[plane])) text(pane.letters[side], letters);
  canvas.setAttribute("aria-label", `${state.name}, ${plane} slice ${index + 1} of ${count}, ${kind === "none" ? "no mask" : `with ${shown}`}`);
  canvas.dataset.drawn = `${state.modality} ${plane} ${index} ${kind}`;
  canvas.dataset.place = [place.x, place.y, place.across, place.down].join(" ");
}

const text = (element, now) => element.textContent === now || (element.textContent = now);

// What was made last for a pane is made again only if what it shows has changed.
function kept(pane, name, what, make) {
  const last = pane.kept.get(name);
  if (last && last.what.every((one, i) => one === what[i])) return last.made;
  const made = make();
  pane.kept.set(name, { what, made });
  return made;
}
