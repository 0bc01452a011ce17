// Verifies proofs of the ledger by RFC 9162 sections 2.1.3.2 and 2.1.4.2, step by step as written there, and receipt
// files by C2SP tlog-proof and signed-note; nothing but Node itself.
// Reads {"key": verifier key, "cases": [[kind, ...], ...]}, bytes in base64; writes a verdict for each: true or false.
import { createHash, createPublicKey, verify } from "node:crypto";
import { readFileSync } from "node:fs";

const sha256 = (...parts) => createHash("sha256").update(Buffer.concat(parts)).digest();
const HASH = (left, right) => sha256(Buffer.of(1), left, right);
const bytes = (text) => Buffer.from(text, "base64");
const LSB = (number) => (number & 1n) === 1n;

// Section 2.1.3.2.
function inclusion(hash, leafIndex, treeSize, path, rootHash) {
  if (leafIndex >= treeSize) return false;
  let fn = leafIndex, sn = treeSize - 1n, r = hash;
  for (const p of path) {
    if (sn === 0n) return false;
    if (LSB(fn) || fn === sn) {
      r = HASH(p, r);
      if (!LSB(fn)) do { fn >>= 1n; sn >>= 1n; } while (!LSB(fn) && fn !== 0n);
    } else {
      r = HASH(r, p);
    }
    fn >>= 1n; sn >>= 1n;
  }
  return sn === 0n && r.equals(rootHash);
}

// Section 2.1.4.2, for 0 < first < second.
function consistency(first, second, firstHash, secondHash, path) {
  if (path.length === 0) return false;
  const shown = (first & (first - 1n)) === 0n ? [firstHash, ...path] : path;
  let fn = first - 1n, sn = second - 1n;
  while (LSB(fn)) { fn >>= 1n; sn >>= 1n; }
  let fr = shown[0], sr = shown[0];
  for (const c of shown.slice(1)) {
    if (sn === 0n) return false;
    if (LSB(fn) || fn === sn) {
      fr = HASH(c, fr);
      sr = HASH(c, sr);
      if (!LSB(fn)) do { fn >>= 1n; sn >>= 1n; } while (!LSB(fn) && fn !== 0n);
    } else {
      sr = HASH(sr, c);
    }
    fn >>= 1n; sn >>= 1n;
  }
  return fr.equals(firstHash) && sr.equals(secondHash) && sn === 0n;
}

// The file a citizen keeps, by the ledger's Ed25519 key alone.
function receipt(file, vkey) {
  const { entry, salt, proof } = JSON.parse(file);
  const [head, text, signatures] = proof.split("\n\n");
  const [format, index, ...path] = head.split("\n");
  if (format !== "c2sp.org/tlog-proof@v1" || !/^index (0|[1-9][0-9]*)$/.test(index)) return false;
  const [origin, size, root, ...more] = text.split("\n");
  if (more.length !== 0 || !signed(origin, `${text}\n`, signatures.split("\n"), vkey)) return false;
  const leaf = sha256(Buffer.of(0), sha256(Buffer.from(salt, "base64url"), Buffer.from(entry)));
  return inclusion(leaf, BigInt(index.slice(6)), BigInt(size), path.map(bytes), bytes(root));
}

function signed(origin, text, lines, vkey) {
  const [name, id, key] = /^([^+]+)\+([0-9a-f]{8})\+(.+)$/.exec(vkey).slice(1);
  const raw = bytes(key);
  if (raw[0] !== 1 || sha256(Buffer.from(`${name}\n`), raw).toString("hex", 0, 4) !== id || name !== origin) return false;
  const jwk = { kty: "OKP", crv: "Ed25519", x: raw.subarray(1).toString("base64url") };
  const found = lines.map((line) => line.split(" ")).filter(([dash, by]) => dash === "—" && by === name);
  return found.some(([, , signature]) => {
    const given = bytes(signature);
    const ours = given.toString("hex", 0, 4) === id;
    return ours && verify(null, Buffer.from(text), createPublicKey({ key: jwk, format: "jwk" }), given.subarray(4));
  });
}

const { key, cases } = JSON.parse(readFileSync(0, "utf8"));
const verifiers = {
  inclusion: (hash, index, size, path, root) =>
    inclusion(bytes(hash), BigInt(index), BigInt(size), path.map(bytes), bytes(root)),
  consistency: (first, second, firstHash, secondHash, path) =>
    consistency(BigInt(first), BigInt(second), bytes(firstHash), bytes(secondHash), path.map(bytes)),
  receipt: (file) => receipt(file, key),
};
const verdicts = cases.map(([kind, ...rest]) => verifiers[kind](...rest));
process.stdout.write(JSON.stringify(verdicts));
