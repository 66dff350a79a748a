// The panes of the viewer, beside or below one another, and the line below them that says where the crosshair is and
// what is being done.

import { byId, el, fill } from "./dom.js";
import { attachInput } from "./input.js";
import { buildPane, drawPane } from "./pane.js";
import { PLANES, valueAt } from "./volume.js";

const NARROW = matchMedia("(max-width: 60rem)");
const SIDES = ["Right", "Anterior", "Superior"];
const OTHER_SIDES = ["Left", "Posterior", "Inferior"];

let panes = [];
let watching = null;

export function buildStage(viewer) {
  panes = [];
  fill(byId("viewer"),
    el("div", { class: "stage" },
      el("p", { id: "pane-help", class: "unseen" }, "Arrow keys: another slice. Question mark: all keys."),
      el("div", { id: "panes", class: "panes" }),
      el("div", { class: "strip" },
        el("p", { id: "where" }),
        el("div", { id: "doing", role: "status", hidden: true }, el("progress", { "aria-label": "Segmenting" }), el("span"),
          el("button", { type: "button", id: "cancel", onclick: () => viewer.state.work.asked?.abort() }, "Cancel")))),
    el("div", { id: "controls" }));
  watching?.disconnect();
  watching = new ResizeObserver(() => viewer.redraw());
  watching.observe(byId("panes"));
  if (NARROW.matches) {
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    byId("viewer").scrollIntoView({ behavior: calm ? "auto" : "smooth" });
  }
}

export const panesOf = () => panes;

// Whether all planes have room: not on a narrow screen, nor beside another mask.
export const hasRoom = ({ second }) => !NARROW.matches && second === "none";

export const layoutOf = (state) => (state.layout === "three" && !hasRoom(state) ? "axial" : state.layout);

// Which planes, and which of the two masks over each.
function wanted(state) {
  const layout = layoutOf(state);
  if (layout === "three") return Object.keys(PLANES).map((plane) => [plane, "first"]);
  return state.second === "none" ? [[layout, "first"]] : [[layout, "first"], [layout, "second"]];
}

export function drawStage(state, viewer) {
  const now = wanted(state);
  if (now.map(String).join() !== panes.map((p) => [p.plane, p.layer]).map(String).join()) {
    panes = now.map(([plane, layer]) => buildPane(plane, layer, viewer, attachInput));
    const place = byId("panes");
    place.dataset.shown = now.length === 3 ? "three" : now.length === 2 ? "two" : "one";
    fill(place, panes.map((pane) => pane.element));
  }
  for (const pane of panes) {
    drawPane(pane, state);
    viewer.emit("render", { pane, brush: pane.canvas.getContext("2d"), place: pane.place, index: state.cursor[PLANES[pane.plane].axis], state });
  }
  showWhere(state);
  showDoing(state);
}

// `Left 12, Anterior 3, Superior 40 mm: 431, oedema`
function showWhere({ view, cursor, image, layers, model, window }) {
  const place = view.affine.slice(0, 3).map(([a, b, c, d]) => a * cursor[0] + b * cursor[1] + c * cursor[2] + d);
  const sides = place.map((mm, axis) => `${(mm < 0 ? OTHER_SIDES : SIDES)[axis]} ${Math.abs(mm).toFixed(0)}`);
  const value = view.coding.low + view.coding.step * valueAt(image.values, view, cursor);
  const label = layers.first ? model.labels.find((l) => l.value === valueAt(layers.first, view, cursor)) : null;
  const [low, high] = window;
  byId("where").textContent = `${sides.join(", ")} mm · value ${short(value)}${label ? `, ${label.name}` : ""} · ` +
    `W ${short(high - low)} L ${short((low + high) / 2)}`;
}

export const short = (value) => (Math.abs(value) >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3))));

function showDoing({ work, listed, present }) {
  const place = byId("doing");
  place.hidden = !work.asked;
  byId("where").hidden = Boolean(work.asked);
  if (!work.asked) return;
  const [bar, words] = place.children;
  const { ahead = null, doing = null, done = 0, of = 1 } = work.doing ?? {};
  if (doing) bar.value = done / of;
  else bar.removeAttribute("value");
  const what = doing ? `${doing} (step ${done + 1} of ${of})` : ahead ? `${ahead} before this one in the queue` : "";
  const text = `Segmenting ${listed.id} from ${(work.chosen ?? present).join(", ")}${what ? `: ${what}` : "…"}`;
  if (words.textContent !== text) words.textContent = text;
}

// The panes as one picture, with their letters.
export async function picture() {
  const boxes = panes.map(({ canvas }) => canvas.getBoundingClientRect());
  const [left, top] = [Math.min(...boxes.map((b) => b.left)), Math.min(...boxes.map((b) => b.top))];
  const [right, bottom] = [Math.max(...boxes.map((b) => b.right)), Math.max(...boxes.map((b) => b.bottom))];
  const sheet = new OffscreenCanvas((right - left) * devicePixelRatio, (bottom - top) * devicePixelRatio);
  const brush = sheet.getContext("2d");
  brush.fillRect(0, 0, sheet.width, sheet.height);
  brush.scale(devicePixelRatio, devicePixelRatio);
  brush.fillStyle = "#ddd";
  brush.font = "600 14px sans-serif";
  for (const [i, pane] of panes.entries()) {
    const [x, y, wide, high] = [boxes[i].left - left, boxes[i].top - top, boxes[i].width, boxes[i].height];
    brush.drawImage(pane.canvas, x, y, wide, high);
    const write = (side, dx, dy, align) => {
      brush.textAlign = align;
      brush.fillText(pane.letters[side].textContent, x + dx, y + dy);
    };
    write("left", 6, high / 2, "left");
    write("right", wide - 6, high / 2, "right");
    write("top", wide / 2, 18, "center");
    write("bottom", wide / 2, high - 6, "center");
  }
  return sheet.convertToBlob({ type: "image/png" });
}

