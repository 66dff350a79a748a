// What a hand does on a pane: wheel, drag, pinch, double click and keys. HELP says the same in words.

const WHEEL = 60; // px of a wheel's turn that are a slice
const ZOOM = 1.0015; // a px of the wheel
const WINDOW = 1 / 400; // of the image's range, a px

export const HELP = [
  ["Wheel, slider, arrow keys", "another slice (Page Up, Page Down: ten; Home, End: the first, the last)"],
  ["Click or drag", "moves the crosshair; the other planes follow (Shift + arrow keys)"],
  ["Right button drag, or Shift + drag", "left and right: window width; up and down: level (keys W and S: level, A and D: width)"],
  ["Middle button drag, or Ctrl + drag", "moves the picture (Alt + arrow keys)"],
  ["Ctrl + wheel, pinch", "zoom (keys + and -)"],
  ["Double click, key 0", "resets zoom, position and window"],
  ["Keys M, O, X, ?", "mask, outline, crosshair: on and off; shows this list"],
  ["Correcting: B, E, V", "brush, eraser, look only; 1 2 3: region; [ ]: size; space: paints at the crosshair"],
  ["Correcting: F, Ctrl + Z, Ctrl + Y, Ctrl + S", "fills a closed outline; undo; redo; saves"],
  ["Touch", "one finger does what is chosen under Drag, or paints while you correct; two zoom and move"],
];

export function attachInput(pane, viewer) {
  const { canvas } = pane;
  const touching = new Map(); // pointerId -> [x, y]
  let drag = null;
  let taken = false; // what the last press began was another module's

  canvas.addEventListener("wheel", wheel(pane, viewer), { passive: false });
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  canvas.addEventListener("dblclick", () => taken || viewer.reset());
  canvas.addEventListener("keydown", (event) => keys(event, pane, viewer));

  canvas.addEventListener("pointerdown", (event) => {
    if (!viewer.state?.view) return;
    canvas.focus({ preventScroll: true });
    canvas.setPointerCapture(event.pointerId);
    touching.set(event.pointerId, at(event, canvas));
    if (touching.size > 1) {
      if (drag === "taken") viewer.emit("pointer", told("cancel", event, pane));
      drag = "pinch";
      return;
    }
    taken = viewer.emit("pointer", told("down", event, pane));
    drag = taken ? "taken" : toolOf(event, viewer.state.tool);
    if (drag === "crosshair") viewer.moveTo(pane.toVoxel(...at(event, canvas)));
    if (event.button === 1) event.preventDefault();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!viewer.state?.view) return;
    const before = touching.get(event.pointerId);
    if (!before || drag === "taken") return void viewer.emit("pointer", told("move", event, pane));
    const now = at(event, canvas);
    if (drag === "pinch") pinch(pane, viewer, touching, event.pointerId, now);
    else DRAGS[drag]?.(pane, viewer, now, [now[0] - before[0], now[1] - before[1]]);
    touching.set(event.pointerId, now);
  });
  const end = (event) => {
    if (!touching.delete(event.pointerId)) return;
    if (drag === "taken") viewer.emit("pointer", told("up", event, pane));
    drag = null;
  };
  canvas.addEventListener("pointerup", end);
  canvas.addEventListener("pointercancel", end);
}

const at = (event, canvas) => {
  const box = canvas.getBoundingClientRect();
  return [event.clientX - box.left, event.clientY - box.top];
};

const told = (type, event, pane) => {
  const exact = pane.toVoxel(...at(event, pane.canvas));
  return { type, plane: pane.plane, pane, exact, voxel: exact.map(Math.round), event };
};

function toolOf(event, chosen) {
  if (event.button === 2 || event.shiftKey) return "window";
  if (event.button === 1 || event.ctrlKey) return "pan";
  return chosen;
}

const DRAGS = {
  crosshair: (pane, viewer, now) => viewer.moveTo(pane.toVoxel(...now)),
  window: (_, viewer, __, [across, down]) => viewer.changeWindow(across * WINDOW, down * WINDOW),
  pan: (pane, viewer, _, by) => viewer.pan(pane, by),
  zoom: (pane, viewer, _, [, down]) => viewer.zoom(pane, 1.006 ** -down),
};

function pinch(pane, viewer, touching, moved, now) {
  const other = [...touching].find(([id]) => id !== moved)?.[1];
  if (!other) return;
  const before = touching.get(moved);
  const apart = (a) => Math.hypot(a[0] - other[0], a[1] - other[1]) || 1;
  viewer.zoom(pane, apart(now) / apart(before), [(now[0] + other[0]) / 2, (now[1] + other[1]) / 2]);
  viewer.pan(pane, [(now[0] - before[0]) / 2, (now[1] - before[1]) / 2]);
}

function wheel(pane, viewer) {
  let turned = 0;
  return (event) => {
    event.preventDefault();
    if (event.ctrlKey) return viewer.zoom(pane, ZOOM ** -event.deltaY, at(event, pane.canvas));
    turned += event.deltaY / (event.deltaMode === 0 ? WHEEL : 1);
    const by = Math.trunc(turned);
    turned -= by;
    if (by) viewer.step(pane.plane, -by);
  };
}

const SLICES = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1, PageUp: 10, PageDown: -10, Home: -1e6, End: 1e6 };
const SIDES = { ArrowUp: [0, -1], ArrowRight: [1, 0], ArrowDown: [0, 1], ArrowLeft: [-1, 0] };
const LETTERS = {
  "+": (pane, viewer) => viewer.zoom(pane, 1.25),
  "=": (pane, viewer) => viewer.zoom(pane, 1.25),
  "-": (pane, viewer) => viewer.zoom(pane, 0.8),
  0: (_, viewer) => viewer.reset(),
  w: (_, viewer) => viewer.changeWindow(0, -10 * WINDOW),
  s: (_, viewer) => viewer.changeWindow(0, 10 * WINDOW),
  a: (_, viewer) => viewer.changeWindow(-10 * WINDOW, 0),
  d: (_, viewer) => viewer.changeWindow(10 * WINDOW, 0),
  m: (_, viewer) => viewer.toggleMask(),
  o: (_, viewer) => viewer.drawAs(viewer.state.style === "outline" ? "fill" : "outline"),
  "?": openHelp,
  x: (_, viewer) => viewer.set({ crosshair: !viewer.state.crosshair }),
};

function openHelp() {
  const help = document.querySelector("#help details");
  help.open = true;
  help.firstChild.focus();
}

function keys(event, pane, viewer) {
  if (!viewer.state?.view || viewer.emit("key", { event, pane, plane: pane.plane })) return;
  const side = SIDES[event.key];
  if (event.altKey && side) viewer.pan(pane, side.map((v) => -20 * v));
  else if (event.shiftKey && side) viewer.nudge(pane.plane, side);
  else if (event.key in SLICES && !event.ctrlKey && !event.metaKey) viewer.step(pane.plane, SLICES[event.key]);
  else if (LETTERS[event.key.toLowerCase()] && !event.ctrlKey && !event.metaKey) LETTERS[event.key.toLowerCase()](pane, viewer);
  else return;
  event.preventDefault();
}
