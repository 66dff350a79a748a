// The served model: its table as a heat map, its robustness curve, its versions.

import { ask, json, post } from "./api.js";
import { lineChart } from "./chart.js";
import { attempt, byId, el, fill, number, say } from "./dom.js";

export async function showModel() {
  const [model, { versions }, scores] = await Promise.all(
    [json("data/model"), json("data/versions"), json("data/scores")]);
  byId("served").textContent = model.version;
  fill(byId("model"),
    el("div", { class: "columns" },
      el("div", { class: "panel" }, heatMap(model)),
      el("div", { class: "panel" }, curve(model), about(model))),
    el("div", { class: "panel" }, againstLabels(model, scores)),
    el("div", { class: "panel" }, versionTable(versions), comparison(versions)));
}

function heatMap(model) {
  const regions = Object.keys(model.regions);
  if (!model.dice.length) {
    return [el("h2", {}, "Dice by modalities"), el("p", {}, "These weights contain no evaluation.")];
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
      `measured on ${cases} ${cases === 1 ? "study" : "studies"}${model.not_expected ? `; not to be expected on others: ${model.not_expected}` : ""}; ● used, ○ missing. `,
      regions.map((g) => `${g}: ${model.regions[g].join(" + ")}`).join("; "), "."),
    el("div", { class: "wide" }, el("table", { class: "heat" }, el("thead", {}, head), el("tbody", {}, rows, average))),
  ];
}

function heat(value) {
  const cell = el("td", { class: "cell" }, number(value));
  cell.style.setProperty("--share", `${Math.round(100 * value)}%`);
  return cell;
}

// The served model against the labels that users saved.
function againstLabels(model, { mean, studies }) {
  const regions = Object.keys(model.regions);
  const measure = el("button", { type: "button", onclick: () => attempt(async () => {
    await post("../scoring/dice", {});
    say("Being measured in the background; open this page again later.");
  }) }, "Measure");
  const trained = Object.entries(studies).filter(([, one]) => one.trained).map(([study]) => study);
  const about = mean.length
    ? `${Object.keys(studies).length} labelled; trained on ${trained.length} of them` +
      (trained.length ? ` (${trained.join(", ")}): expect a lower Dice on other studies.` : ".")
    : "Not measured with these weights yet.";
  const rows = mean.map((row) =>
    el("tr", {}, el("td", {}, row.modalities.join(" + ")), el("td", { class: "figure" }, row.studies),
      regions.map((g) => (g in row ? heat(row[g]) : el("td", {}, "–")))));
  return [
    el("h2", {}, "Against saved labels"), el("p", { class: "quiet" }, about), measure,
    mean.length
      ? el("div", { class: "wide" }, el("table", { class: "heat" },
        el("thead", {}, el("tr", {}, ["modalities", "studies", ...regions].map((h) => el("th", { scope: "col" }, h)))),
        el("tbody", {}, rows)))
      : null,
  ];
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
  const head = ["version", "published", "made from", "studies", "mean Dice", "state"];
  const rows = versions.map((one) =>
    el("tr", { class: one.served ? "current" : "" },
      el("td", {}, el("code", {}, one.version)),
      el("td", {}, one.published ? new Date(one.published).toLocaleString() : "shipped or not recorded"),
      el("td", {}, one.parent ? el("code", {}, one.parent) : "–"),
      el("td", { class: "figure" }, `${one.training.length} + ${one.validation.length}`),
      el("td", { class: "figure", title: one.not_expected }, number(one.mean), one.mean !== null && one.not_expected ? "*" : null),
      el("td", {}, one.served ? el("b", {}, one.pinned ? "● served, pinned" : "● served") : null,
        one.kept_back ? el("p", { class: "kept-back" }, `Candidate, not served: ${one.kept_back}`) : null,
        el("span", { class: "buttons" }, buttons(one)))));
  return [
    el("h2", {}, "Versions"),
    el("p", { class: "quiet" }, "studies: trained on + validated on. Means are comparable only on the same studies; "
      + "*: measured on studies that the version was trained on, not to be expected on others."),
    el("div", { class: "wide" },
      el("table", { class: "versions" },
        el("thead", {}, el("tr", {}, head.map((h) => el("th", { scope: "col" }, h)))),
        el("tbody", {}, rows))),
  ];
}

function buttons(one) {
  const at = `data/versions/${encodeURIComponent(one.version)}`;
  const button = (text, question, act, said) =>
    el("button", {
      type: "button",
      onclick: () => attempt(async () => {
        if (!window.confirm(question)) return;
        await act();
        await showModel();
        say(said);
      }),
    }, text);
  const serve = button(one.kept_back ? "Serve this anyway" : "Roll back to this",
    `Serve ${one.version} from the next inference on?`, () => post(at, {}), `${one.version} is served.`);
  const pin = button("Pin", `Always serve ${one.version}, even if a training publishes new weights?`,
    () => post(`${at}?pin=true`, {}), `${one.version} is served and pinned.`);
  const unpin = button("Unpin", "Serve newly published weights again?",
    () => ask("data/versions/pin", { method: "DELETE" }), "Newly published weights will be served.");
  return one.pinned ? [unpin] : one.served ? [pin] : [serve, pin];
}

// Two versions chosen from lists; their Dice side by side.
function comparison(versions) {
  if (versions.length < 2) return [];
  const pick = (name, chosen) =>
    el("label", {}, `${name} `, el("select", { name },
      versions.map((v) => el("option", { value: v.version, ...(v === chosen ? { selected: "" } : {}) }, v.version))));
  const current = versions.find((v) => v.served) ?? versions[0];
  const before = versions.find((v) => v.version === current.parent) ?? versions.find((v) => v !== current);
  const result = el("div", { class: "wide" });
  const form = el("form", { class: "controls" }, pick("first", before), pick("second", current), el("button", {}, "Compare"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(async () => {
      const { first, second } = Object.fromEntries(new FormData(form));
      const query = new URLSearchParams({ first, second });
      fill(result, compared(await json(`data/versions/compare?${query}`)));
    });
  });
  return [el("h2", {}, "Compare"), form, result];
}

function compared({ versions, dice, only, changed, settings, comparable }) {
  const regions = Object.keys(dice[0] ?? {}).filter((key) => key !== "modalities");
  const cell = ([a, b]) => {
    if (!comparable) return el("td", { class: "figure" }, `${number(a)}; ${number(b)}`);
    const worse = a !== null && b !== null && b < a;
    return el("td", { class: worse ? "figure worse" : "figure" }, `${number(a)} → ${number(b)}`);
  };
  const facts = [
    comparable
      ? "Both were measured on the same studies and labels; red: the second is worse."
      : `They were measured on different or unknown studies or labels, so the values cannot be compared. Shown is what each reached on its own: ${versions.join("; ")}.`,
    `Only the second was trained on: ${only[1].join(", ") || "none"}; only the first on: ${only[0].join(", ") || "none"}; ` +
      `labels changed: ${changed.join(", ") || "none"}.`,
    `Settings that differ: ${Object.entries(settings).map(([k, [a, b]]) => `${k} ${a ?? "–"} → ${b ?? "–"}`).join(", ") || "none"}.`,
  ];
  return [
    ...facts.map((text) => el("p", { class: "quiet" }, text)),
    el("table", { class: "compared" },
      el("thead", {}, el("tr", {}, ["modalities", ...regions].map((h) => el("th", { scope: "col" }, h)))),
      el("tbody", {}, dice.map((row) =>
        el("tr", {}, el("td", {}, row.modalities.join(" + ")), regions.map((g) => cell(row[g])))))),
  ];
}
