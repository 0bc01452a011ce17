// openid-client logs a citizen in: the standards alone, no knowledge of Regie but the login form's field names.
import * as oidc from "openid-client";

const { issuer, client_id, client_secret, redirect_uri, username, password, code } = JSON.parse(process.argv[2]);
const config = await oidc.discovery(new URL(issuer), client_id, client_secret, oidc.ClientSecretBasic(client_secret), {
  execute: [oidc.allowInsecureRequests],
});
const verifier = oidc.randomPKCECodeVerifier();
const [nonce, state] = [oidc.randomNonce(), oidc.randomState()];
let address = oidc.buildAuthorizationUrl(config, {
  redirect_uri, scope: "openid birthdate", nonce, state,
  code_challenge: await oidc.calculatePKCECodeChallenge(verifier), code_challenge_method: "S256",
});

const jar = new Map();
async function visit(url, form) {
  for (let hop = 0; hop < 12; hop += 1) {
    if (String(url).startsWith(redirect_uri)) return { url: new URL(url), html: "" };
    const response = await fetch(url, {
      method: form ? "POST" : "GET", body: form && new URLSearchParams(form), redirect: "manual",
      headers: { cookie: [...jar].map(([name, value]) => `${name}=${value}`).join("; ") },
    });
    for (const one of response.headers.getSetCookie()) {
      const [name, ...value] = one.split(";")[0].split("=");
      jar.set(name, value.join("="));
    }
    if (response.status !== 302 && response.status !== 303) return { url: new URL(url), html: await response.text() };
    url = new URL(response.headers.get("location"), url);
    form = undefined;
  }
  throw new Error("too many redirects");
}
function hidden(html, action) {
  const form = html.split(`action="${action}"`)[1].split("</form>")[0];
  return Object.fromEntries([...form.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)"/g)].map((m) => [m[1], m[2]]));
}

let page = await visit(address);
page = await visit(`${issuer}/login/password`, { ...hidden(page.html, "/login/password"), username, password });
page = await visit(`${issuer}/login/totp`, { ...hidden(page.html, "/login/totp"), code });
if (page.url.pathname === "/ask") page = await visit(`${issuer}/ask`, { ...hidden(page.html, "/ask"), "birth-date": "allow" });

const tokens = await oidc.authorizationCodeGrant(config, page.url, {
  pkceCodeVerifier: verifier, expectedNonce: nonce, expectedState: state, idTokenExpected: true,
});
const { sub } = tokens.claims();
const userinfo = await oidc.fetchUserInfo(config, tokens.access_token, sub);
const introspected = await oidc.tokenIntrospection(config, tokens.access_token);
await oidc.tokenRevocation(config, tokens.access_token);
const revoked = await oidc.tokenIntrospection(config, tokens.access_token);
console.log(JSON.stringify({ sub, birthdate: userinfo.birthdate, active: introspected.active, revoked: !revoked.active }));
