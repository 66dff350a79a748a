// Beside the picture: which image, which planes, which window, which masks; what the mask says; what the study has.

import { badge, reasons } from "./badges.js";
import { attempt, byId, el, fill, number } from "./dom.js";
import { HELP } from "./input.js";
import { masks } from "./masks.js";
import { segmenting } from "./segment.js";
import { hasRoom, layoutOf, short } from "./stage.js";

const LAYOUTS = [["three", "all"], ["axial", "axial"], ["coronal", "coronal"], ["sagittal", "sagittal"]];
const TOOLS = ["crosshair", "window", "pan", "zoom"];
const PARTS = ["choose-image", "choose-view", "choose-window", "choose-mask", "more", "segment", "result", "found", "help"];

// Each part is built anew only when what it shows has changed: what has the keyboard keeps it.
export function showControls(state, viewer) {
  const place = byId("controls");
  if (!place.children.length) fill(place, PARTS.map((id) => el("div", { id })));
  const { view, work } = state;
  const on = [state.first, state.second, view?.label, work.masks.length];
  part("choose-image", [state.modality], () => images(state, viewer));
  part("choose-view", [layoutOf(state), hasRoom(state), state.tool, state.crosshair, !view], () => planes(state, viewer));
  part("choose-window", [state.modality, !view], () => windows(state, viewer));
  part("choose-mask", [...on, state.modality, state.style, state.notes, state.dice, state.kinds], () => masks(state, viewer));
  part("more", [...on, state.kinds, Boolean(work.asked)], () => viewer.collect("controls", state));
  part("segment", [state.listed.image, state.present, Boolean(work.asked)], () => segmenting(state, viewer));
  part("result", on, () => result(state));
  part("found", [state.details], () => found(state));
  part("help", [], help);
  showNumbers(state);
}

function part(id, values, make) {
  const place = byId(id);
  const now = JSON.stringify(values);
  if (place.dataset.shown === now) return;
  place.dataset.shown = now;
  const focused = place.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  fill(place, make());
  if (focused) place.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
}

export function choice(label, options, chosen, pick, disabled = false) {
  return el("div", { class: "choice", role: "group", "aria-label": label },
    options.map(([name, text]) => el("button", {
      type: "button", "data-key": name, "aria-pressed": String(name === chosen), disabled, onclick: () => pick(name),
    }, text)));
}

const images = (state, viewer) => [
  el("h2", { title: state.details.id }, state.details.title || state.details.id),
  choice("Image", state.present.map((m) => [m, m]), state.modality, (m) => attempt(() => viewer.openImage(m))),
  state.details.others.length ? unused(state, viewer) : null,
];

// The images of the study that are not segmented from can be looked at all the same, with the labels on them.
function unused({ details, modality }, viewer) {
  const option = ({ image, name, labelled }) =>
    el("option", { value: image, selected: image === modality }, labelled ? `${name} (labelled)` : name);
  const pick = (event) => event.target.value && attempt(() => viewer.openImage(event.target.value));
  return el("label", { class: "row" }, "not used ",
    el("select", { "data-key": "unused", onchange: pick }, el("option", { value: "" }, "–"), details.others.map(option)));
}

function planes(state, viewer) {
  const shown = el("input", {
    type: "checkbox", checked: state.crosshair, "data-key": "shown", onchange: (event) => viewer.set({ crosshair: event.target.checked }),
  });
  return [
    choice("Planes", LAYOUTS.filter(([name]) => name !== "three" || hasRoom(state)), layoutOf(state), (layout) => viewer.set({ layout }), !state.view),
    el("div", { class: "row" }, "drag", choice("Drag", TOOLS.map((t) => [t, t]), state.tool, (tool) => viewer.set({ tool }), !state.view)),
    el("label", {}, shown, " show the crosshair"),
  ];
}

function windows(state, viewer) {
  const field = (name, text, change) =>
    el("label", {}, `${text} `, el("input", {
      type: "number", step: "any", "data-key": name, id: `window-${name}`, disabled: !state.view,
      onchange: (event) => Number.isFinite(event.target.valueAsNumber) && change(event.target.valueAsNumber),
    }));
  const now = () => viewer.state.window;
  const middle = () => (now()[0] + now()[1]) / 2;
  const set = (level, width) => viewer.set({ window: [level - width / 2, level + width / 2] });
  return el("div", { class: "window", role: "group", "aria-label": "Window" },
    field("width", "window", (width) => width > 0 && set(middle(), width)),
    field("level", "level", (level) => set(level, now()[1] - now()[0])),
    el("button", { type: "button", disabled: !state.view, "data-key": "reset", onclick: () => viewer.reset() }, "Reset view"));
}

// Not while one types in them.
function showNumbers({ window }) {
  if (!window) return;
  const values = { width: window[1] - window[0], level: (window[0] + window[1]) / 2 };
  for (const [name, value] of Object.entries(values)) {
    const field = byId(`window-${name}`);
    if (field !== document.activeElement) field.value = short(value);
  }
}

function result(state) {
  const ccsd = state.work.masks.find((m) => m.mask === state.first)?.ccsd;
  const volumes = ccsd ?? (state.first === "label" ? state.view.label : null);
  if (!volumes) return [];
  return [
    (volumes.warnings ?? []).map((w) => el("p", { class: "note" }, `⚠ ${w}`)),
    parts(state.model, volumes),
    regionTable(state.model, volumes, ccsd),
    sureness(state.model, ccsd?.confidence),
    ccsd ? el("p", { class: "quiet" }, `from ${Object.keys(ccsd.modalities.used).join(", ")} on the grid of ${ccsd.image}, by `,
      el("code", {}, ccsd.model)) : el("p", { class: "quiet" }, `the label saved with the tag final${origin(volumes)}${only(volumes)}`),
  ].flat();
}

const origin = ({ corrected_from: from }) => (from ? `, corrected from ${from}` : "");

function parts({ labels }, volumes) {
  const row = (label) => {
    const swatch = el("span", { class: "swatch", "aria-hidden": "true" });
    swatch.style.background = label.colour;
    return el("tr", {}, el("th", { scope: "row" }, swatch, label.name), el("td", {}, number(volumes.parts_ml[label.name], 1)));
  };
  return el("table", { class: "volumes" }, el("tbody", {}, labels.map(row)));
}

// Volume, its range over the masks made without one modality, how certain the mask is, and the Dice to expect.
function regionTable({ regions }, volumes, ccsd) {
  const told = ccsd?.confidence?.regions;
  const compared = Object.values(told ?? {}).some((one) => one.range_ml);
  const range = (one) => (one?.range_ml ? one.range_ml.map((ml) => number(ml, 1)).join("–") : "–");
  const rows = Object.keys(regions).map((g) =>
    el("tr", {}, el("th", { scope: "row", title: regions[g].join(" + ") }, g), el("td", {}, number(volumes.volumes_ml[g], 1)),
      compared ? el("td", {}, range(told[g])) : null,
      told ? el("td", {}, number(told[g]?.certainty, 2)) : null,
      ccsd ? el("td", {}, number(ccsd.expected_dice?.[g], 2)) : null));
  const heads = ["region", "mL", ...(compared ? ["range"] : []), ...(told ? ["certainty"] : []), ...(ccsd ? ["Dice to expect"] : [])];
  return el("table", { class: "volumes", id: "regions" },
    el("thead", {}, el("tr", {}, heads.map((h) => el("th", { scope: "col" }, h)))), el("tbody", {}, rows));
}

// What one that is missing would tell, what each modality changes, and so how far the masks agree.
function sureness({ regions }, confidence) {
  if (!confidence) return [];
  if (confidence.reason) return el("p", { class: "quiet" }, confidence.reason);
  const told = confidence.regions;
  const names = Object.keys(Object.values(told)[0]?.without ?? {});
  const row = (name, value) => el("tr", {}, el("th", { scope: "row" }, name),
    Object.keys(regions).map((g) => el("td", {}, number(value(told[g]), 2))));
  return [
    Object.values(confidence.missing).map((one) => el("p", {}, one.says)),
    el("details", {}, el("summary", {}, "What each modality changes"),
      el("p", { class: "quiet" }, "1 - Dice of the mask made without it and the mask; 0: no change. Agreement: mean Dice"),
      el("table", { class: "volumes" },
        el("thead", {}, el("tr", {}, ["without", ...Object.keys(regions)].map((h) => el("th", { scope: "col" }, h)))),
        el("tbody", {}, names.map((m) => row(m, (one) => one.without[m]?.changed)), row("agreement", (one) => one.agreement)))),
  ];
}

const only = ({ regions }) => (regions ? `; only ${regions.join(" and ")} was drawn, the rest is not known` : "");

function found(state) {
  const { badges, left_out: left, reference } = state.details;
  return el("details", {}, el("summary", {}, "What was found"),
    el("dl", { class: "reasons" }, badges.flatMap((one) => [
      el("dt", {}, badge(one)), el("dd", {}, one.name ? el("b", {}, one.name) : null, one.name ? `: ${one.reason}` : one.reason),
    ])),
    left.length ? [el("h3", {}, "Not used"), el("dl", { class: "reasons" }, reasons(left))] : null,
    reference ? el("p", { class: "quiet" }, `reference label beside the images: ${reference}`) : null);
}

const help = () =>
  el("details", {}, el("summary", {}, "Mouse and keys"),
    el("dl", { class: "reasons", id: "keys" }, HELP.flatMap(([what, does]) => [el("dt", {}, what), el("dd", {}, does)])));
