// Line charts as SVG that take the page's colours.

import { el, number, svg } from "./dom.js";

const WIDTH = 460;
const HEIGHT = 220;
const LETTER = 7.5; // of a figure on an axis, at the font size of page.css
const TOP = 10;
const BOTTOM = 40;
const DASHES = ["", "7 4", "2 4", "9 3 2 3", "1 3", "12 4"];

// series: [{name, points: [[x, y], ...]}]; lines differ by dash as well as by colour.
export function lineChart({ title, series, x, low = 0, high = null }) {
  const points = series.flatMap((one) => one.points);
  const tops = points.map((point) => point[1]);
  const top = high ?? nice(Math.max(...tops, 1e-9));
  const steps = [...new Set(points.map((point) => point[0]))].sort((a, b) => a - b);
  const first = steps[0] ?? 0;
  const last = Math.max(steps.at(-1) ?? 1, first + 1);
  const shares = [0, 0.25, 0.5, 0.75, 1].map((share) => low + share * (top - low));
  const figures = shares.map((v) => figure(v, top - low));
  const LEFT = 12 + LETTER * Math.max(...figures.map((text) => text.length));
  const RIGHT = 12 + (LETTER * String(last).length) / 2;
  const across = (v) => LEFT + ((WIDTH - LEFT - RIGHT) * (v - first)) / (last - first);
  const down = (v) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - (v - low) / (top - low || 1));
  const grid = shares.map((v, i) => [
    svg("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: down(v), y2: down(v) }),
    svg("text", { x: LEFT - 6, y: down(v) + 4, "text-anchor": "end" }, figures[i]),
  ]);
  const every = Math.ceil(steps.length / Math.min(8, 40 / String(last).length));
  const ticks = steps
    .filter((_, i) => i % every === 0)
    .map((v) => svg("text", { x: across(v), y: HEIGHT - BOTTOM + 16, "text-anchor": "middle" }, String(v)));
  const lines = series.map((one, i) => [
    svg("polyline", {
      class: `line line-${i % 6}`,
      "stroke-dasharray": DASHES[i % 6],
      points: one.points.map(([a, b]) => `${across(a).toFixed(1)},${down(b).toFixed(1)}`).join(" "),
    }),
    ...one.points.map(([a, b]) =>
      svg("circle", { class: `dot line-${i % 6}`, cx: across(a), cy: down(b), r: 3 },
        svg("title", {}, `${one.name}, ${x} ${a}: ${number(b)}`))),
  ]);
  const label = `${title}. ${series.map((s) => `${s.name}: ${s.points.map((p) => number(p[1])).join(", ")}`).join("; ")}`;
  const picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label, class: "chart" },
    grid.flat(), ticks, lines.flat(),
    svg("text", { x: (LEFT + WIDTH - RIGHT) / 2, y: HEIGHT - 4, "text-anchor": "middle" }, x));
  const key = series.map((one, i) =>
    el("li", {},
      svg("svg", { viewBox: "0 0 26 8", class: "sample", "aria-hidden": "true" },
        svg("line", { class: `line line-${i % 6}`, "stroke-dasharray": DASHES[i % 6], x1: 0, x2: 26, y1: 4, y2: 4 })),
      `${one.name} ${number(one.points.at(-1)?.[1])}`));
  return el("figure", {}, el("figcaption", {}, title), picture, el("ul", { class: "key" }, key));
}

// As many digits as tell the lines of the grid apart; the very large and the very small by powers of ten.
function figure(value, range) {
  if (value && (range >= 1e5 || range < 1e-3)) return value.toExponential(2);
  return value.toFixed(Math.min(5, Math.max(0, 2 - Math.floor(Math.log10(range || 1)))));
}

function nice(value) {
  const unit = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 4, 5, 10].map((k) => k * unit).find((v) => v >= value);
}
