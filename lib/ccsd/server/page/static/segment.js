// A mask is asked for: from which modalities, what to expect of it, and how far it is.

import { json, post } from "./api.js";
import { attempt, el, number, say } from "./dom.js";

const SOON = 700; // ms between two looks at the progress

export function segmenting(state, viewer) {
  const { work, present } = state;
  const busy = Boolean(work.asked);
  const expected = el("p", { class: "quiet", id: "expected" });
  const ticked = work.chosen ?? present;
  const boxes = present.map((m) =>
    el("label", {},
      el("input", { type: "checkbox", name: m, checked: ticked.includes(m), disabled: busy, onchange: () => expect() }), ` ${m}`));
  const chosen = () => present.filter((_, i) => boxes[i].firstChild.checked);
  const sure = el("input", { type: "checkbox", name: "confidence", checked: work.confidence ?? true, disabled: busy });
  const go = el("button", { class: "main", id: "go" }, "Segment");
  const expect = () => {
    const names = chosen();
    expected.textContent = names.length ? `expected Dice: ${figures(state.model, names)}` : "choose at least one modality";
    go.disabled = busy || !names.length;
  };
  const form = el("form", { class: "segment" }, el("div", { class: "boxes" }, boxes),
    el("label", { title: "how certain the network is, and how far the masks made without one modality agree" },
      sure, " how sure the mask is"), go, expected);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(() => run(state, viewer, chosen(), sure.checked));
  });
  expect();
  return present.length ? form : el("p", {}, "No image of this study can be used for a segmentation.");
}

function figures(model, names) {
  if (model.not_expected) return `not known: ${model.not_expected}`;
  const row = model.dice.find((r) => r.modalities.length === names.length && names.every((m) => r.modalities.includes(m)));
  return row ? Object.keys(model.regions).map((g) => `${g} ${number(row[g], 2)}`).join(", ") : "not known";
}

async function run(state, viewer, modalities, confidence) {
  const { work, listed } = state;
  Object.assign(work, { asked: new AbortController(), chosen: modalities, confidence, doing: null });
  viewer.working(state);
  say("");
  const ticket = [...crypto.getRandomValues(new Uint32Array(4))].map((n) => n.toString(16)).join("");
  const watching = setInterval(() => watch(state, viewer, ticket), SOON);
  try {
    const wanted = { image: state.view.image, modalities, confidence, ticket };
    const made = await post("data/segment", wanted, { signal: work.asked.signal });
    await viewer.made(state, { ...made, title: `${Object.keys(made.ccsd.modalities.used).join(" + ")} · ${made.ccsd.model}` });
  } catch (error) {
    const whose = viewer.isShown(state) ? "" : `${listed.id}: `;
    say(error.name === "AbortError" ? `${whose}Cancelled.` : whose + error.message, error.name !== "AbortError");
  } finally {
    clearInterval(watching);
    work.asked = null;
    viewer.working(state);
  }
}

async function watch(state, viewer, ticket) {
  const doing = await json("data/progress", { query: { ticket } }).catch(() => null);
  if (!state.work.asked) return;
  state.work.doing = doing;
  viewer.working(state);
}
