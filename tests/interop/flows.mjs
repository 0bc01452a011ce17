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

  async device(party, citizen, given) {
    const seen = {};
    const no = await party.beginDevice({ scope: given.scope });
    seen.refused = [await refusal(party.askDevice(no)), (await citizen.atDevice(no, "no")).search, await refusal(party.pollDevice(no))];
    const told = await party.beginDevice({ scope: given.scope, ...given.parameters });
    seen.told = Object.keys(told);
    seen.pending = await refusal(party.askDevice(told));
    seen.ended = (await citizen.atDevice(told, "yes")).search;
    return { ...seen, ...(await used(party, await party.pollDevice(told))), again: await refusal(party.askDevice(told)) };
  },

  // Known from a login before; asked by both hints that may name a citizen.
  async backchannel(party, citizen, given) {
    const { parameters, ...plain } = given;
    const { tokens } = await logIn(party, citizen, plain);
    const seen = { sub: tokens.claims.sub };
    const no = await party.beginBackchannel({ scope: given.scope, login_hint: tokens.claims.sub, ...parameters });
    seen.refused = [await refusal(party.askBackchannel(no)), (await citizen.atMyRequests(given.issuer, "no")).search, await refusal(party.pollBackchannel(no))];
    const told = await party.beginBackchannel({ scope: given.scope, id_token_hint: tokens.id_token, ...parameters });
    seen.told = Object.keys(told);
    seen.pending = await refusal(party.askBackchannel(told));
    seen.ended = (await citizen.atMyRequests(given.issuer, "yes")).search;
    return { ...seen, ...(await used(party, await party.pollBackchannel(told))), again: await refusal(party.askBackchannel(told)) };
  },

  // `Party.connect` registered this client; its invitation is spent.
  async registered(party, citizen, given) {
    const seen = await FLOWS.code(party, citizen, given);
    return { ...seen, client_id: party.client_id, spent: await refusal(Party.connect(given)) };
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

// What comes of tokens that a client polled for.
async function used(party, tokens) {
  const userinfo = await party.userinfo(tokens.access_token, tokens.claims.sub);
  const fresh = await party.refresh(tokens.refresh_token);
  return { claims: tokens.claims, token_type: tokens.token_type, userinfo, refreshed: await party.userinfo(fresh.access_token, tokens.claims.sub) };
}

async function refusal(promise) {
  try {
    await promise;
  } catch (error) {
    const said = error.error ?? error.cause?.[0]?.parameters?.error;
    if (said) return said;
    throw error;
  }
  return null;
}

// Where a nonce of the server's was demanded (RFC 9449 sections 8 and 9); the libraries fetch with this too.
const demanded = [];
const plainFetch = globalThis.fetch;
globalThis.fetch = async (...request) => {
  const response = await plainFetch(...request);
  const words = [response.headers.get("www-authenticate"), response.status === 400 && (await response.clone().text())];
  if (words.some((one) => one && one.includes("use_dpop_nonce"))) demanded.push(new URL(response.url).pathname);
  return response;
};

const [library, flow] = process.argv.slice(2);
const given = JSON.parse(await text(process.stdin));
const { Party } = await import(`./${library}.mjs`);
const party = await Party.connect(given);
const seen = await FLOWS[flow](party, new Citizen({ login: given.login, callback: given.redirect_uri }), given);
console.log(JSON.stringify({ ...seen, demanded }));
