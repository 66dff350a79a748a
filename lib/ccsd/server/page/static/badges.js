// What is found in a study, as a badge a modality: told by a sign and words, not by colour alone.

import { el } from "./dom.js";

const SIGNS = { found: "✓", unsure: "?", missing: "–" };

export function badge(one) {
  const reason = one.name ? `${one.name}: ${one.reason}` : one.reason;
  const label = `${one.modality} ${one.state}: ${reason}`;
  return el("span", { class: `badge ${one.state}`, title: reason, "aria-label": label, role: "img" },
    el("span", { "aria-hidden": "true" }, SIGNS[one.state]), ` ${one.modality}`);
}

export const reasons = (images) => images.map((one) => el("dd", {}, el("b", {}, one.name), `: ${one.reason}`));
