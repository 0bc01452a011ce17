// The passkey ceremony, the one thing here that needs a script. Without support the section stays hidden.
"use strict";
const section = document.querySelector("[data-passkey]");
const message = document.getElementById("passkey-message");

async function post(address, body) {
  const response = await fetch(address, {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/json" },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(String(response.status));
  return response.json();
}

const at = section?.dataset.at;

async function login() {
  const { csrf, request, to } = section.dataset;
  const options = await post(`${at}/options`, { csrf_token: csrf });
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
  const credential = await navigator.credentials.get({ publicKey });
  return post(at, { csrf_token: csrf, request, to, credential: credential.toJSON() });
}

async function register() {
  const { csrf } = section.dataset;
  // A citizen names the passkey; an officer shows the code of an invitation. What is not there is not sent.
  const code = document.getElementById("field-code")?.value;
  const options = await post(`${at}/options`, { csrf_token: csrf, code });
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
  const credential = await navigator.credentials.create({ publicKey });
  const label = document.getElementById("field-label")?.value;
  return post(at, { csrf_token: csrf, label, code, credential: credential.toJSON() });
}

if (section && window.PublicKeyCredential && PublicKeyCredential.parseRequestOptionsFromJSON) {
  section.hidden = false;
  const ceremony = section.dataset.passkey === "login" ? login : register;
  section.querySelector("button").addEventListener("click", async () => {
    message.textContent = "";
    try {
      window.location.assign((await ceremony()).location);
    } catch {
      message.textContent = section.dataset.failed;
    }
  });
}
