// Beside the picture: which image, which plane, which window, which mask; what the mask says; what the study has.

import { badge, reasons } from "./badges.js";
import { attempt, byId, el, fill, number, say } from "./dom.js";

const PLANES = ["axial", "coronal", "sagittal"];

export function buildControls(place) {
  const part = (id) => el("div", { id });
  fill(place, part("choose-image"), part("choose-plane"), part("choose-window"), part("choose-mask"), part("segment"),
    part("result"), part("found"));
  for (const child of place.children) child.dataset.shown = "";
}

// Each part is built anew only when what it shows has changed: what has the keyboard keeps it.
export function showControls(state, actions) {
  part("choose-image", [state.modality], () => images(state, actions));
  part("choose-plane", [state.plane, !state.view], () => planes(state, actions));
  part("choose-window", [state.listed.image], () => windows(state, actions));
  part("choose-mask", [state.overlay, state.view?.label, state.view?.fits, state.note], () => overlays(state, actions));
  part("segment", [state.listed.image, state.present, Boolean(state.work.asked)], () => segmenting(state, actions));
  part("result", [state.overlay, state.view?.label, state.work.made], () => result(state));
  part("found", [state.details], () => found(state));
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

function choice(label, options, chosen, pick) {
  const button = (name, text, disabled) =>
    el("button", {
      type: "button", "data-key": name, "aria-pressed": String(name === chosen), disabled, onclick: () => pick(name),
    }, text);
  return el("div", { class: "choice", role: "group", "aria-label": label },
    options.map(([name, text, disabled]) => button(name, text, disabled)));
}

const images = (state, actions) => [
  el("h2", { title: state.details.id }, state.details.title || state.details.id),
  choice("Image", state.present.map((m) => [m, m, false]), state.modality, (m) => attempt(() => actions.openImage(m))),
  state.details.others.length ? unused(state, actions) : null,
];

// The images of the study that are not segmented from can be looked at all the same, with the labels on them.
function unused({ details, modality }, actions) {
  const option = ({ image, name, labelled }) =>
    el("option", { value: image, selected: image === modality }, labelled ? `${name} (labelled)` : name);
  const pick = (event) => event.target.value && attempt(() => actions.openImage(event.target.value));
  return el("label", { class: "unused" }, "not used ",
    el("select", { "data-key": "unused", onchange: pick }, el("option", { value: "" }, "–"), details.others.map(option)));
}

const planes = (state, actions) =>
  choice("Plane", PLANES.map((p) => [p, p, !state.view]), state.plane, (plane) => actions.set({ plane }));

function windows(state, actions) {
  const slider = (name, text, min, max) =>
    el("label", {}, `${text} `,
      el("input", {
        type: "range", min, max, step: 0.5, value: state[name], "data-key": name,
        oninput: (event) => actions.set({ [name]: Number(event.target.value) }),
      }));
  return el("div", { class: "window", title: "percentiles of the image's intensities" },
    slider("low", "black at", 0, 60), slider("high", "white at", 70, 100));
}

function overlays(state, actions) {
  const options = [["none", "no mask", false], ["label", "saved label", !state.view?.label], ["made", "new mask", !state.view?.fits]];
  const opacity = el("label", {}, "opacity ",
    el("input", {
      type: "range", min: 0, max: 1, step: 0.05, value: state.opacity, "data-key": "opacity",
      oninput: (event) => actions.set({ opacity: Number(event.target.value) }),
    }));
  return [
    choice("Mask", options, state.overlay, actions.chooseOverlay),
    opacity,
    state.note ? el("p", { class: "note" }, state.note) : null,
  ];
}

function segmenting(state, actions) {
  const { work, present } = state;
  const busy = Boolean(work.asked);
  const expected = el("p", { class: "quiet", id: "expected" });
  const ticked = work.chosen ?? present;
  const boxes = present.map((m) =>
    el("label", {},
      el("input", { type: "checkbox", name: m, checked: ticked.includes(m), disabled: busy, onchange: () => expect() }), ` ${m}`));
  const chosen = () => present.filter((_, i) => boxes[i].firstChild.checked);
  const go = el("button", { class: "main", id: "go" }, "Segment");
  const cancel = el("button", { type: "button", id: "cancel", hidden: !busy, onclick: () => work.asked?.abort() }, "Cancel");
  const expect = () => {
    const names = chosen();
    const row = state.model.dice.find((r) => r.modalities.length === names.length && names.every((m) => r.modalities.includes(m)));
    const why = state.model.not_expected;
    const figures = why ? `not known: ${why}` : row ? Object.keys(state.model.regions).map((g) => `${g} ${number(row[g], 2)}`).join(", ") : "not known";
    expected.textContent = names.length ? `expected Dice: ${figures}` : "choose at least one modality";
    go.disabled = busy || !names.length;
  };
  const doing = el("p", { role: "status", id: "doing", hidden: !busy }, `Segmenting ${state.listed.id} from ${ticked.join(", ")}…`);
  const form = el("form", { class: "segment" }, el("div", { class: "boxes" }, boxes), go, cancel, doing, expected);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(() => run(state, actions, chosen()));
  });
  expect();
  return present.length ? form : el("p", {}, "No image of this study can be segmented from.");
}

async function run(state, actions, modalities) {
  const { work, listed } = state;
  Object.assign(work, { asked: new AbortController(), chosen: modalities });
  actions.working(state);
  say("");
  try {
    await actions.segment(state, modalities, work.asked.signal);
  } catch (error) {
    const whose = actions.isShown(state) ? "" : `${listed.id}: `;
    say(error.name === "AbortError" ? `${whose}Cancelled.` : whose + error.message, error.name !== "AbortError");
  } finally {
    work.asked = null;
    actions.working(state);
  }
}

function result(state) {
  const ccsd = state.overlay === "made" ? state.work.made?.ccsd : null;
  const volumes = ccsd ?? (state.overlay === "label" ? state.view.label : null);
  if (!volumes) return [];
  const parts = state.model.labels.map((label) => {
    const swatch = el("span", { class: "swatch", "aria-hidden": "true" });
    swatch.style.background = label.colour;
    return el("tr", {}, el("th", { scope: "row" }, swatch, label.name), el("td", {}, number(volumes.parts_ml[label.name], 1)));
  });
  const regions = Object.keys(state.model.regions).map((g) =>
    el("tr", {}, el("th", { scope: "row", title: state.model.regions[g].join(" + ") }, g),
      el("td", {}, number(volumes.volumes_ml[g], 1)),
      ccsd ? el("td", {}, number(ccsd.expected_dice?.[g], 2)) : null));
  const head = el("tr", {}, el("th"), el("th", { scope: "col" }, "mL"), ccsd ? el("th", { scope: "col" }, "expected Dice") : null);
  return [
    (volumes.warnings ?? []).map((w) => el("p", { class: "note" }, `⚠ ${w}`)),
    el("table", { class: "volumes" }, el("tbody", {}, parts)),
    el("table", { class: "volumes" }, el("thead", {}, head), el("tbody", {}, regions)),
    ccsd ? el("p", { class: "quiet" }, `from ${Object.keys(ccsd.modalities.used).join(", ")} on the grid of ${ccsd.image}, by `,
      el("code", {}, ccsd.model)) : el("p", { class: "quiet" }, `the label saved with the tag final${only(volumes)}`),
  ].flat();
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
