// Requests to this server, with the bearer token of whoever signed in; the token lives as long as the tab.

import { attempt, byId } from "./dom.js";

const TOKEN = "ccsd-token";
let signingIn = null;

export async function ask(path, { query = {}, ...options } = {}) {
  const address = new URL(path, document.baseURI);
  for (const [name, value] of Object.entries(query)) address.searchParams.set(name, value);
  for (;;) {
    const token = sessionStorage.getItem(TOKEN);
    const headers = { ...options.headers, ...(token ? { Authorization: `Bearer ${token}` } : {}) };
    const answer = await reach(address, { ...options, headers });
    if (answer.ok) return answer;
    if (answer.status === 403) throw new Error(`${await sentence(answer)}: ask the server's administrator for it, or sign in as another user`);
    if (answer.status !== 401) throw new Error(await sentence(answer));
    sessionStorage.removeItem(TOKEN);
    signingIn ??= signIn().finally(() => (signingIn = null));
    await signingIn;
  }
}

export const json = async (path, options) => (await ask(path, options)).json();

export const post = (path, body, options = {}) =>
  json(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
    ...options,
  });

// The version that is served, in the head of the page.
export async function showServed() {
  byId("served").textContent = (await json("data/model")).version;
}

// Whoever signs in next goes on with what is on the page: corrections that are not saved stay.
export function offerOtherUser() {
  const button = byId("other-user");
  button.hidden = !sessionStorage.getItem(TOKEN);
  button.onclick = () => {
    sessionStorage.removeItem(TOKEN);
    attempt(showServed);
  };
}

async function reach(address, options) {
  try {
    return await fetch(address, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("the server does not answer");
  }
}

async function sentence(answer) {
  const body = await answer.json().catch(() => ({}));
  const detail = typeof body.detail === "string" ? body.detail : JSON.stringify(body.detail ?? "");
  return detail || `the server answered ${answer.status}`;
}

function signIn() {
  const dialog = byId("sign-in");
  const form = dialog.querySelector("form");
  const problem = form.querySelector("[role=alert]");
  problem.textContent = "";
  dialog.showModal();
  return new Promise((done) => {
    form.onsubmit = async (event) => {
      event.preventDefault();
      try {
        const answer = await reach(new URL("../auth/token", document.baseURI), {
          method: "POST",
          body: new URLSearchParams(new FormData(form)),
        });
        const { access_token: token } = answer.ok ? await answer.json() : {};
        if (!token) throw new Error("User or password is wrong, or the sign-in server does not answer.");
        sessionStorage.setItem(TOKEN, token);
        offerOtherUser();
        form.reset();
        dialog.close();
        done();
      } catch (error) {
        problem.textContent = error.message;
      }
    };
    dialog.oncancel = (event) => event.preventDefault();
  });
}
