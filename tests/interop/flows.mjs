// node flows.mjs LIBRARY FLOW < given.json: one client, one citizen, one flow; prints what was seen, as JSON.
// A client knows the issuer and what registration answered; a citizen knows a password and the pages' forms.
import { text } from "node:stream/consumers";
import { Citizen } from "./citizen.mjs";

async function logIn(party, citizen, given) {
  const { address, checks } = await party.begin({ redirect_uri: given.redirect_uri, scope: given.scope, ...given.parameters });
  return { address, tokens: await party.redeem(await citizen.walk(address), checks) };
}

const FLOWS = {
  async code(party, citizen, given) {
    const { address, tokens } = await logIn(party, citizen, given);
    const seen = { address: [...address.searchParams.keys()], claims: tokens.claims, token_type: tokens.token_type, details: tokens.authorization_details };
    seen.userinfo = await party.userinfo(tokens.access_token, tokens.claims.sub);
    seen.introspected = await party.introspect(tokens.access_token);
    let last = tokens;
    if (tokens.refresh_token) {
      const fresh = await party.refresh(tokens.refresh_token);
      seen.rotated = fresh.refresh_token !== undefined && fresh.refresh_token !== tokens.refresh_token;
      seen.refreshed = (await party.userinfo(fresh.access_token, tokens.claims.sub)).sub === tokens.claims.sub;
      last = fresh;
    }
    await party.revoke(last.access_token);
    seen.revoked = await party.introspect(last.access_token);
    if (tokens.refresh_token) {
      const token = last.refresh_token ?? tokens.refresh_token;
      await party.revoke(token);
      seen.refresh_after_revocation = await refusal(party.refresh(token));
    }
    return seen;
  },

  async again(party, citizen, given) {
    const first = await logIn(party, citizen, given);
    const second = await logIn(party, citizen, { ...given, parameters: { ...given.parameters, prompt: "none", id_token_hint: first.tokens.id_token } });
    return { same: first.tokens.claims.sub === second.tokens.claims.sub, auth_time: [first.tokens.claims.auth_time, second.tokens.claims.auth_time] };
  },

  async refused(party, citizen, given) {
    const { address, checks } = await party.begin({ redirect_uri: given.redirect_uri, scope: given.scope, ...given.parameters });
    return { error: await refusal(citizen.walk(address).then((arrived) => party.redeem(arrived, checks))) };
  },

  async own(party, _citizen, given) {
    const tokens = await party.own(given.scope);
    return { token_type: tokens.token_type, scope: tokens.scope, introspected: await party.introspect(tokens.access_token) };
  },

  async logout(party, citizen, given) {
    const { tokens } = await logIn(party, citizen, given);
    const address = party.logoutAddress({ id_token_hint: tokens.id_token, post_logout_redirect_uri: given.redirect_uri, state: "after" });
    const { arrived } = await citizen.visit(address);
    const { address: next, checks } = await party.begin({ redirect_uri: given.redirect_uri, scope: given.scope, prompt: "none" });
    const error = await refusal(citizen.walk(next).then((back) => party.redeem(back, checks)));
    return { arrived: arrived?.href, error, introspected: await party.introspect(tokens.access_token) };
  },
};

async function refusal(promise) {
  try {
    await promise;
  } catch (error) {
    if (error.error) return error.error;
    throw error;
  }
  return null;
}

const [library, flow] = process.argv.slice(2);
const given = JSON.parse(await text(process.stdin));
const { Party } = await import(`./${library}.mjs`);
const party = await Party.connect(given);
console.log(JSON.stringify(await FLOWS[flow](party, new Citizen({ login: given.login, callback: given.redirect_uri }), given)));
