// The served model: its table as a heat map, its robustness curve, its versions.

import { json, post } from "./api.js";
import { lineChart } from "./chart.js";
import { attempt, byId, el, fill, number, say } from "./dom.js";

export async function showModel() {
  const [model, { versions }] = await Promise.all([json("data/model"), json("data/versions")]);
  byId("served").textContent = model.version;
  fill(byId("model"),
    el("div", { class: "columns" },
      el("div", { class: "panel" }, heatMap(model)),
      el("div", { class: "panel" }, curve(model), about(model))),
    el("div", { class: "panel" }, versionTable(versions)));
}

function heatMap(model) {
  const regions = Object.keys(model.regions);
  if (!model.dice.length) {
    return [el("h2", {}, "Dice by modalities"), el("p", {}, "These weights carry no evaluation.")];
  }
  const head = el("tr", {},
    model.modalities.map((m) => el("th", { scope: "col" }, m)),
    regions.map((g) => el("th", { scope: "col", class: "figure", title: model.regions[g].join(" + ") }, g)));
  const rows = model.dice.map((row) =>
    el("tr", { class: "subset" },
      model.modalities.map((m) => {
        const has = row.modalities.includes(m);
        return el("td", { class: has ? "has" : "has-not" },
          el("span", { role: "img", "aria-label": has ? `with ${m}` : `without ${m}` }, has ? "●" : "○"));
      }),
      regions.map((g) => heat(row[g]))));
  const average = el("tr", { class: "average" },
    el("th", { colspan: model.modalities.length, scope: "row" }, `mean of ${model.dice.length}`),
    regions.map((g) => heat(model.average[g])));
  const cases = model.validation.length;
  return [
    el("h2", {}, "Dice by modalities"),
    el("p", { class: "quiet" },
      `measured on ${cases} ${cases === 1 ? "study" : "studies"}; ● used, ○ missing. `,
      regions.map((g) => `${g}: ${model.regions[g].join(" + ")}`).join("; "), "."),
    el("div", { class: "wide" }, el("table", { class: "heat" }, el("thead", {}, head), el("tbody", {}, rows, average))),
  ];
}

function heat(value) {
  const cell = el("td", { class: "cell" }, number(value));
  cell.style.setProperty("--share", `${Math.round(100 * value)}%`);
  return cell;
}

function curve(model) {
  const sizes = Object.keys(model.sizes).map(Number).sort((a, b) => b - a);
  if (!sizes.length) return [];
  const all = model.modalities.length;
  const series = Object.keys(model.regions).map((name) => ({
    name,
    points: sizes.map((k) => [all - k, model.sizes[k][name]]),
  }));
  const aurc = model.aurc
    ? el("p", { class: "quiet", title: model.definition },
        `AURC (area under this curve): ${Object.entries(model.aurc).map(([g, v]) => `${g} ${number(v)}`).join(", ")}`)
    : null;
  return [
    el("h2", {}, "When modalities are missing"),
    lineChart({ title: "mean Dice", series, x: "modalities missing", high: 1 }),
    aurc,
  ];
}

function about(model) {
  const lines = [
    ["version", model.version],
    ["made from", model.parent ?? "unknown"],
    ["trained on", studies(model.training)],
    ["measured on", studies(model.validation)],
  ];
  return el("dl", { class: "facts" }, lines.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
}

const studies = (ids) =>
  ids.length
    ? el("details", {}, el("summary", {}, `${ids.length} ${ids.length === 1 ? "study" : "studies"}`), ids.join(", "))
    : "not recorded";

function versionTable(versions) {
  const head = ["version", "published", "made from", "studies", "mean Dice", ""];
  const rows = versions.map((one) =>
    el("tr", { class: one.served ? "current" : "" },
      el("td", {}, el("code", {}, one.version)),
      el("td", {}, one.published ? new Date(one.published).toLocaleString() : "shipped or not recorded"),
      el("td", {}, one.parent ? el("code", {}, one.parent) : "–"),
      el("td", { class: "figure" }, `${one.training.length} + ${one.validation.length}`),
      el("td", { class: "figure" }, number(one.mean)),
      el("td", {}, one.served ? el("b", {}, "● served") : rollBack(one.version))));
  return [
    el("h2", {}, "Versions"),
    el("p", { class: "quiet" }, "studies: trained on + validated on. Means are comparable only on the same studies."),
    el("div", { class: "wide" },
      el("table", { class: "versions" },
        el("thead", {}, el("tr", {}, head.map((h) => el("th", { scope: "col" }, h)))),
        el("tbody", {}, rows))),
  ];
}

function rollBack(version) {
  const serve = async () => {
    if (!window.confirm(`Serve ${version} from the next inference on?`)) return;
    await post(`data/versions/${encodeURIComponent(version)}`, {});
    await showModel();
    say(`${version} is served.`);
  };
  return el("button", { type: "button", onclick: () => attempt(serve) }, "Roll back to this");
}
