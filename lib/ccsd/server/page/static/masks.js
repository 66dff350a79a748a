// Which mask is shown, and beside which other one; how; how far the two agree; and what can be downloaded.

import { ask } from "./api.js";
import { attempt, el, number } from "./dom.js";
import { choice } from "./controls.js";
import { picture } from "./stage.js";

const STYLES = [["fill", "fill"], ["outline", "outline"]];
const AGREEMENT = ["agreement", "agreement"];

export function masks(state, viewer) {
  return [
    pick("mask", "first", state, viewer),
    pick("beside", "second", state, viewer),
    el("div", { class: "row" }, "drawn as",
      choice("Drawn as", hasMap(state) ? [...STYLES, AGREEMENT] : STYLES, drawnAs(state), (style) => viewer.drawAs(style))),
    el("label", { class: "row" }, "opacity ", el("input", {
      type: "range", min: 0, max: 1, step: 0.05, value: state.opacity, "data-key": "opacity",
      oninput: (event) => viewer.set({ opacity: Number(event.target.value) }),
    })),
    drawnAs(state) === "agreement" ? key(state) : null,
    notes(state).map((note) => el("p", { class: "note" }, note)),
    state.dice ? agreement(state) : null,
    downloads(state),
  ].flat();
}

const made = (state, name) => state.work.masks.find((m) => m.mask === name);
const hasMap = (state) => [state.first, state.second].some((name) => made(state, name)?.agreement);
const drawnAs = (state) => (state.style === "agreement" && !hasMap(state) ? "fill" : state.style);

function key({ ramp }) {
  const shares = [1, 0.75, 0.5, 0.25, 0].map((share) => {
    const sample = el("span", { class: "swatch", "aria-hidden": "true" });
    const colour = ramp[Math.round(255 * share)];
    sample.style.background = colour ? `rgb(${colour.slice(0, 3).join(" ")})` : "transparent";
    return el("span", {}, sample, `${100 * share} %`);
  });
  return el("p", { class: "quiet", id: "ramp" }, "of the masks made without one modality agree: ", shares);
}

function pick(text, layer, state, viewer) {
  const option = (value, title) => el("option", { value, selected: state[layer] === value }, title);
  const choose = (event) => attempt(() => viewer.choose(layer, event.target.value));
  return el("label", { class: "row" }, `${text} `,
    el("select", { id: `mask-${layer}`, "data-key": layer, disabled: !state.view, onchange: choose },
      option("none", layer === "first" ? "no mask" : "–"),
      state.view?.label ? option("label", "saved label") : null,
      state.work.masks.map((m) => option(m.mask, m.title))));
}

function notes(state) {
  const { details, view, notes: own } = state;
  const label = details.others.find((one) => one.labelled);
  const elsewhere = [state.first, state.second].map((name) => made(state, name))
    .find((m) => m && !view.masks[m.mask]);
  return [
    ...own,
    elsewhere ? `The mask was made on ${elsewhere.ccsd?.image ?? "another series"}. It is shown here by its position in the scanner, ` +
      "so movement between the series is not corrected. For a mask on this series, segment again." : null,
    label && view && !view.label ? `The saved label was drawn on ${label.name}, which is not used: choose it to see the label.` : null,
  ].filter(Boolean);
}

function agreement({ dice, titles, first, second, view, model }) {
  if (dice.why) return el("p", { class: "note" }, dice.why);
  const drawn = [first, second].includes("label") ? view.label.regions : null;
  const regions = Object.keys(model.regions).filter((g) => !drawn || drawn.includes(g));
  return el("table", { class: "volumes", id: "dice" },
    el("caption", {}, `Dice of ${titles.first} and ${titles.second}`),
    el("thead", {}, el("tr", {}, regions.map((g) => el("th", { scope: "col" }, g)))),
    el("tbody", {}, el("tr", {}, regions.map((g) => el("td", {}, number(dice.values[g], 3))))));
}

function downloads(state) {
  if (!state.view) return null;
  const mask = state.first === "label" ? state.view.label : made(state, state.first);
  const name = state.listed.id.replace(/[^\w.-]+/g, "_");
  const file = (format, ending) => attempt(async () => {
    save(await (await ask("data/mask/file", { query: { mask: mask.mask, format } })).blob(), `${name}_${state.kinds.first}${ending}`);
  });
  const report = () => attempt(async () => {
    const { listed: { image }, modality } = state;
    save(await (await ask("data/report", { query: { mask: mask.mask, image, modality } })).blob(), `${name}.pdf`);
  });
  const button = (text, work) => el("button", { type: "button", "data-key": text, onclick: work }, text);
  return el("div", { class: "choice", role: "group", "aria-label": "Download" },
    mask ? button("Mask (NIfTI)", () => file("nifti", ".nii.gz")) : null,
    mask && state.view.dicom ? button("Mask (DICOM SEG)", () => file("dicom_seg", ".dcm")) : null,
    mask?.agreement ? button("Agreement (NIfTI)", () => file("agreement", "_agreement.nii.gz")) : null,
    mask && fits(state) ? button("Report (PDF)", report) : null,
    button("Picture (PNG)", () => attempt(async () => save(await picture(), `${name}_${state.modality.replace(/[^\w.-]+/g, "_")}.png`))));
}

// Whether the mask lies on the grid of the image on view.
const fits = ({ first, view }) => first === "label" || view.masks[first];

function save(blob, name) {
  const address = URL.createObjectURL(blob);
  el("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}
