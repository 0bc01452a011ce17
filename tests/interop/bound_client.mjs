// openid-client with tokens that are bound: by DPoP with nonces, or by mutual TLS. The standards alone, no knowledge of Regie.
import * as https from "node:https";
import { readFileSync } from "node:fs";
import * as oidc from "openid-client";

const { issuer, client_id, scope, check, cert, key, ca } = JSON.parse(process.argv[2]);
const seen = [];

// Node's fetch shows no certificate: this one does, and notes what the server answered.
async function showing(url, options) {
  if (!url.startsWith("https:")) {
    const answer = await fetch(url, options);
    seen.push(answer.status);
    return answer;
  }
  const headers = Object.fromEntries(new Headers(options.headers));
  const body = options.body === undefined ? undefined : String(options.body);
  return new Promise((resolve, reject) => {
    const files = { ca: readFileSync(ca), cert: readFileSync(cert), key: readFileSync(key) };
    const request = https.request(url, { method: options.method, headers, ...files }, (message) => {
      const parts = [];
      message.on("data", (part) => parts.push(part));
      message.on("end", () => {
        seen.push(message.statusCode);
        resolve(new Response(Buffer.concat(parts), { status: message.statusCode, headers: message.headers }));
      });
    });
    request.on("error", reject);
    request.end(body);
  });
}

const mutual = cert !== undefined;
const metadata = mutual ? { use_mtls_endpoint_aliases: true } : {};
let authentication = oidc.TlsClientAuth();
if (!mutual) {
  const keyPair = await crypto.subtle.importKey("jwk", key, { name: "ECDSA", namedCurve: "P-256" }, false, ["sign"]);
  authentication = oidc.PrivateKeyJwt({ key: keyPair, kid: key.kid });
}
const config = await oidc.discovery(new URL(issuer), client_id, metadata, authentication, {
  execute: [oidc.allowInsecureRequests], [oidc.customFetch]: showing,
});
const DPoP = mutual ? undefined : oidc.getDPoPHandle(config, await oidc.randomDPoPKeyPair());
seen.length = 0;
const tokens = await oidc.clientCredentialsGrant(config, { scope }, { DPoP });
const told = config.serverMetadata();
const base = mutual ? new URL(told.mtls_endpoint_aliases.token_endpoint).origin : issuer;
const answer = await oidc.fetchProtectedResource(
  config, tokens.access_token, new URL(`${base}/consent/v1/checks`), "POST", JSON.stringify(check),
  new Headers({ "content-type": "application/json" }), { DPoP },
);
const introspected = await oidc.tokenIntrospection(config, tokens.access_token);
console.log(JSON.stringify({ token_type: tokens.token_type, status: answer.status, cnf: introspected.cnf, seen }));
