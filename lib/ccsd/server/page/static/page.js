// Which part of the page is shown; each starts when it is first looked at.

import { offerOtherUser, showServed } from "./api.js";
import { attempt, byId } from "./dom.js";
import { startEditor } from "./editor.js";
import { showModel } from "./model.js";
import { startStudies } from "./studies.js";
import { showTraining } from "./training.js";

const PARTS = { studies: once(startStudies), model: showModel, training: showTraining };

function once(work) {
  let done = false;
  return () => {
    if (!done) work();
    done = true;
  };
}

function show() {
  const wanted = location.hash.slice(1);
  const name = wanted in PARTS ? wanted : "studies";
  for (const part of Object.keys(PARTS)) byId(part).hidden = part !== name;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  attempt(PARTS[name]);
}

addEventListener("hashchange", show);
offerOtherUser();
startEditor();
show();
attempt(showServed);
