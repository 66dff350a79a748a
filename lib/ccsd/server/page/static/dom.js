// Elements made of text nodes and attributes: nothing that a server or a file says is ever read as HTML.

export const byId = (id) => document.getElementById(id);

const SVG = "http://www.w3.org/2000/svg";

function make(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

export const el = (name, attributes = {}, ...children) => make(document.createElement(name), attributes, children);

export const svg = (name, attributes = {}, ...children) =>
  make(document.createElementNS(SVG, name), attributes, children);

export const fill = (element, ...children) => {
  element.replaceChildren(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
};

export const number = (value, digits = 3) => (typeof value === "number" ? value.toFixed(digits) : "n/a");

export function say(text, bad = false) {
  const message = byId("message");
  message.textContent = text;
  message.classList.toggle("bad", bad);
  message.hidden = !text;
  message.onclick = () => (message.hidden = true);
}

// Runs what a click or a key asks for; what goes wrong becomes one sentence on the page.
export async function attempt(work) {
  try {
    await work();
  } catch (error) {
    if (error.name !== "AbortError") say(error.message, true);
  }
}
