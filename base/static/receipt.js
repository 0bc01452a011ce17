// A citizen's own browser verifies a receipt: by RFC 9162, C2SP signed-note and tlog-proof, and RFC 7515, with WebCrypto.
// It remembers the ledger and its keys as it saw them, and finds out when either was replaced behind its back.
"use strict";
const section = document.querySelector("[data-receipt]");
const KEPT = "regie-ledger";
const ED25519 = 1;
const ECDSA = 2;

class Away extends Error {}
const must = (holds, why) => {
  if (!holds) throw new Error(why);
};
const utf8 = (text) => new TextEncoder().encode(text);
const base64 = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
const base64url = (text) => base64(text.replaceAll("-", "+").replaceAll("_", "/"));
const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
const same = (one, other) => hex(one) === hex(other);

function joined(...parts) {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

const sha256 = async (...parts) => new Uint8Array(await crypto.subtle.digest("SHA-256", joined(...parts)));
const node = (left, right) => sha256(Uint8Array.of(1), left, right);

async function asked(address) {
  const response = await fetch(address, { cache: "no-store" }).catch(() => null);
  if (!response?.ok) throw new Away();
  return response;
}

// From a place among the leaves up to the root: whether what is beside it stands on its left.
function sides(place, last) {
  const found = [];
  while (last > 0n) {
    const left = (place & 1n) === 1n || place === last;
    found.push(left);
    while (left && (place & 1n) === 0n && place !== 0n) [place, last] = [place >> 1n, last >> 1n];
    [place, last] = [place >> 1n, last >> 1n];
  }
  return found;
}

// RFC 9162 section 2.1.3.2.
async function rootOf(leaf, index, size, path) {
  const turns = sides(index, size - 1n);
  must(index < size && turns.length === path.length, "length of the path");
  let hash = leaf;
  for (const [at, left] of turns.entries()) hash = left ? await node(path[at], hash) : await node(hash, path[at]);
  return hash;
}

// RFC 9162 section 2.1.4.2.
async function goesOn(first, second, path) {
  must(first.size <= second.size, "it became smaller");
  if (first.size === second.size || first.size === 0n) {
    must(first.size === 0n || same(first.root, second.root), "another tree of this size");
    return;
  }
  let [place, last] = [first.size - 1n, second.size - 1n];
  while (place & 1n) [place, last] = [place >> 1n, last >> 1n];
  const shown = (first.size & (first.size - 1n)) === 0n ? [first.root, ...path] : path;
  const turns = sides(place, last);
  must(shown.length === turns.length + 1, "length of the path");
  let [before, now] = [shown[0], shown[0]];
  for (const [at, left] of turns.entries()) {
    const one = shown[at + 1];
    [before, now] = left ? [await node(one, before), await node(one, now)] : [before, await node(now, one)];
  }
  must(same(before, first.root) && same(now, second.root), "another history");
}

async function between(first, second) {
  let path = [];
  if (first.size !== 0n && first.size < second.size) {
    const told = await asked(`/ledger/proofs/consistency?first=${first.size}&second=${second.size}`);
    path = (await told.json()).consistency_path.map(base64);
  }
  await goesOn(first, second, path);
}

async function keyOf(line) {
  const [, name, id, encoded] = /^([^\s+]+)\+([0-9a-f]{8})\+(.+)$/.exec(line);
  const raw = base64(encoded);
  const whole = raw[0] === ECDSA ? raw.subarray(1) : joined(utf8(`${name}\n`), raw);
  must(hex((await sha256(whole)).subarray(0, 4)) === id, "id of a key");
  return { name, id, kind: raw[0], key: raw.subarray(1) };
}

// Two numbers in DER, as r and s of 32 bytes each: what WebCrypto takes.
function plain(der) {
  const number = (at) => {
    const bytes = der.subarray(at + 2, at + 2 + der[at + 1]);
    const short = bytes.subarray(bytes.findIndex((byte) => byte !== 0));
    return joined(new Uint8Array(32 - short.length), short);
  };
  return joined(number(2), number(2 + 2 + der[3]));
}

// null when this browser has no Ed25519: then the other signature is verified.
async function verified(key, text, signature) {
  if (key.kind === ED25519) {
    const imported = await crypto.subtle.importKey("raw", key.key, "Ed25519", false, ["verify"]).catch(() => null);
    return imported && crypto.subtle.verify("Ed25519", imported, signature, text);
  }
  const imported = await crypto.subtle.importKey("spki", key.key, { name: "ECDSA", namedCurve: "P-256" }, false, ["verify"]);
  return crypto.subtle.verify({ name: "ECDSA", hash: "SHA-256" }, imported, plain(signature), text);
}

// A checkpoint that the ledger signed.
async function opened(note, keys) {
  const end = note.lastIndexOf("\n\n");
  const text = note.slice(0, end + 1);
  const lines = text.split("\n");
  must(end > 0 && lines.length === 4 && /^(0|[1-9][0-9]{0,17})$/.test(lines[1]), "form of a checkpoint");
  const [origin, size, root] = [lines[0], BigInt(lines[1]), base64(lines[2])];
  let held = 0;
  for (const line of note.slice(end + 2).split("\n")) {
    const [dash, name, encoded] = line.split(" ");
    if (dash !== "—" || name !== origin) continue;
    const raw = base64(encoded);
    const key = keys.find((one) => one.name === name && one.id === hex(raw.subarray(0, 4)));
    if (key === undefined) continue;
    const holds = await verified(key, utf8(text), raw.subarray(4));
    must(holds !== false, "signature of the ledger");
    if (holds) held += 1;
  }
  must(held > 0, "not signed by the ledger");
  return { origin, size, root, note };
}

function remembered() {
  try {
    return JSON.parse(localStorage.getItem(KEPT));
  } catch {
    return null;
  }
}

function remember(now, keys) {
  try {
    localStorage.setItem(KEPT, JSON.stringify({ note: now.note, keys, at: new Date().toISOString().slice(0, 10) }));
  } catch {
    // A browser that keeps nothing verifies all the rest.
  }
}

const STEPS = {
  async file(seen) {
    seen.file = await (await asked(section.dataset.receipt)).json();
    const { entry, salt, proof, receipt } = seen.file;
    must([entry, salt, proof, receipt].every((one) => typeof one === "string" && one), "form of a receipt");
    must(base64url(salt).length === 32, "length of the salt");
  },
  async leaf(seen) {
    const entry = await sha256(base64url(seen.file.salt), utf8(seen.file.entry));
    seen.leaf = await sha256(Uint8Array.of(0), entry);
    document.getElementById("receipt-entry").textContent = JSON.stringify(JSON.parse(seen.file.entry), null, 1);
    return hex(seen.leaf);
  },
  async key(seen) {
    seen.lines = (await (await asked("/ledger/key")).text()).trim().split("\n");
    seen.keys = await Promise.all(seen.lines.map(keyOf));
    const before = remembered();
    must(before === null || before.keys.every((one) => seen.lines.includes(one)), "a key that was there is gone");
    return before === null ? section.dataset.first : before.at;
  },
  async signature(seen) {
    const { proof } = seen.file;
    const end = proof.indexOf("\n\n");
    const [format, index, ...path] = proof.slice(0, end).split("\n");
    must(format === "c2sp.org/tlog-proof@v1" && /^index (0|[1-9][0-9]{0,17})$/.test(index), "form of a proof");
    [seen.index, seen.path] = [BigInt(index.slice(6)), path.map(base64)];
    seen.then = await opened(proof.slice(end + 2), seen.keys);
  },
  async inclusion(seen) {
    must(same(await rootOf(seen.leaf, seen.index, seen.then.size, seen.path), seen.then.root), "another root");
    return `${seen.index + 1n} / ${seen.then.size}`;
  },
  async receipt(seen) {
    const [head, body, signature] = seen.file.receipt.split(".");
    const [header, claims] = [head, body].map((part) => JSON.parse(new TextDecoder().decode(base64url(part))));
    must(header.typ === "receipt+jwt" && header.alg === "ES256", "not signed as a receipt");
    must(same(base64url(claims.ledger.leaf_hash), seen.leaf), "a receipt of another event");
    const { keys } = await (await asked("/oauth2/jwks")).json();
    const jwk = keys.find((one) => one.kid === header.kid && one.crv === "P-256");
    must(jwk !== undefined, "an unknown key");
    const { kty, crv, x, y } = jwk;
    const how = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
    const key = await crypto.subtle.importKey("jwk", { kty, crv, x, y }, how, false, ["verify"]);
    must(await crypto.subtle.verify(how, key, base64url(signature), utf8(`${head}.${body}`)), "signature of the receipt");
  },
  async today(seen) {
    seen.now = await opened(await (await asked("/ledger/checkpoint")).text(), seen.keys);
    must(seen.now.origin === seen.then.origin, "another ledger");
    await between(seen.then, seen.now);
    return String(seen.now.size);
  },
  async before(seen) {
    const before = remembered();
    if (before !== null) {
      const then = await opened(before.note, seen.keys);
      must(then.origin === seen.now.origin, "another ledger");
      await between(then, seen.now);
    }
    remember(seen.now, seen.lines);
    return before === null ? section.dataset.first : before.at;
  },
};

function tell(item, kind, detail) {
  item.dataset.outcome = kind;
  item.querySelector("[data-said]").textContent = section.dataset[kind];
  item.querySelector("[data-detail]").textContent = detail ?? "";
}

async function check() {
  const seen = {};
  let verdict = "ok";
  for (const item of section.querySelectorAll("[data-step]")) {
    try {
      if (verdict === "ok") tell(item, "ok", await STEPS[item.dataset.step](seen));
      else tell(item, "skipped");
    } catch (error) {
      verdict = error instanceof Away ? "unknown" : "wrong";
      tell(item, verdict);
      // For whoever is asked to help: the page itself speaks plainly.
      item.dataset.why = error.message;
    }
  }
  return verdict;
}

if (section && window.crypto && crypto.subtle) {
  document.getElementById("receipt-without").hidden = true;
  section.hidden = false;
  check().then((outcome) => {
    for (const one of document.querySelectorAll("[data-verdict]")) one.hidden = one.dataset.verdict !== outcome;
  });
}
