// The list of studies: a page of it at a time, its badges a study at a time.

import { json } from "./api.js";
import { badge, reasons } from "./badges.js";
import { attempt, byId, el, fill, say } from "./dom.js";
import { isBusy, openStudy } from "./viewer.js";

const WAIT = 250; // ms after a key in the search box

let page = 1;
let shown = 0; // which listing the badges that arrive belong to

export function startStudies() {
  let timer;
  byId("search").addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => turn(1), WAIT);
  });
  byId("find").addEventListener("submit", (event) => {
    event.preventDefault();
    turn(1);
  });
  byId("refresh").addEventListener("click", () => turn(1, true));
  byId("before").addEventListener("click", () => turn(page - 1));
  byId("after").addEventListener("click", () => turn(page + 1));
  turn(1, true);
}

const turn = (wanted, refresh = false) => attempt(() => list(wanted, refresh));

async function list(wanted, refresh) {
  const own = ++shown;
  const query = { search: byId("search").value, page: wanted, refresh };
  const found = await json("data/studies", { query });
  if (own !== shown) return;
  say("");
  page = found.page;
  const some = found.found === found.total ? "" : `${found.found} of `;
  byId("count").textContent = `${some}${found.total} ${found.total === 1 ? "study" : "studies"}`;
  byId("place").textContent = `${found.page} of ${found.pages}`;
  byId("before").disabled = page <= 1;
  byId("after").disabled = page >= found.pages;
  document.querySelector(".pager").hidden = found.pages === 1;
  showUnrecognised(found.unrecognised);
  const rows = found.studies.map(row);
  fill(byId("rows"), rows);
  for (const [i, study] of found.studies.entries()) {
    if (own !== shown) return;
    await badges(rows[i], study);
  }
}

function row(study) {
  const open = () => {
    for (const other of byId("rows").querySelectorAll("[aria-current]")) other.removeAttribute("aria-current");
    button.setAttribute("aria-current", "true");
    attempt(() => openStudy(study));
  };
  const button = el("button", { type: "button", class: "study", "data-study": study.id, onclick: open },
    el("span", { class: "name", title: study.id }, study.title || study.id),
    el("span", { class: "badges" }, el("span", { class: "quiet" }, "…")),
    el("span", { class: "badge labelled", title: "a final label is saved", hidden: !study.labelled }, "labelled"),
    el("span", { class: "badge busy", hidden: !isBusy(study.id) }, "segmenting…"));
  return el("li", {}, button);
}

export function markLabelled(study) {
  const badge = document.querySelector(`.study[data-study="${CSS.escape(study)}"] .labelled`);
  if (badge) badge.hidden = false;
}

async function badges(item, study) {
  const place = item.querySelector(".badges");
  try {
    const details = await json("data/study", { query: { image: study.image } });
    fill(place, details.badges.map(badge));
  } catch (error) {
    fill(place, el("span", { class: "bad" }, error.message));
  }
}

function showUnrecognised(studies) {
  const place = byId("unrecognised");
  place.hidden = studies.length === 0;
  place.querySelector("summary").textContent = `${studies.length} without an image that can be used`;
  fill(place.querySelector("dl"), studies.flatMap((study) => [el("dt", { title: study.id }, study.title || study.id), ...reasons(study.images)]));
}
