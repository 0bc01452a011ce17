// npm oauth4webapi (certified by the OpenID Foundation) behind the verbs that flows.mjs speaks.
import * as oauth from "oauth4webapi";
import { signingKey } from "./keys.mjs";

const AUTH = {
  client_secret_basic: ({ client_secret }) => oauth.ClientSecretBasic(client_secret),
  client_secret_post: ({ client_secret }) => oauth.ClientSecretPost(client_secret),
  private_key_jwt: (_, key) => oauth.PrivateKeyJwt(key),
};
const PLAIN = { [oauth.allowInsecureRequests]: true };

export class Party {
  static async connect(given) {
    const party = new Party();
    const issuer = new URL(given.issuer);
    party.key = given.key && (await signingKey(given.key));
    // The view of its profile, whose `issuer` the library compares with the one that it expects.
    const told = given.invitation ? oauth.discoveryRequest(issuer, PLAIN) : fetch(given.openid_configuration);
    party.server = await oauth.processDiscoveryResponse(issuer, await told);
    party.client = given.invitation ? await register(party.server, given) : { client_id: given.client_id, ...given.metadata };
    party.client_id = party.client.client_id;
    party.auth = AUTH[given.auth]({ client_secret: given.client_secret ?? party.client.client_secret }, party.key);
    party.options = { ...PLAIN };
    if (given.dpop) party.options.DPoP = oauth.DPoP(party.client, await oauth.generateKeyPair("ES256"));
    party.given = given;
    return party;
  }

  async begin(parameters) {
    const checks = { verifier: oauth.generateRandomCodeVerifier(), nonce: oauth.generateRandomNonce(), state: oauth.generateRandomState() };
    let all = { ...parameters, client_id: this.client.client_id, response_type: "code", nonce: checks.nonce, state: checks.state };
    if (this.given.jarm) all.response_mode = "jwt";
    if (this.given.pkce === false) checks.verifier = oauth.nopkce;
    else Object.assign(all, { code_challenge: await oauth.calculatePKCECodeChallenge(checks.verifier), code_challenge_method: "S256" });
    checks.redirect_uri = all.redirect_uri;
    if (this.given.jar) all = { client_id: all.client_id, request: await oauth.issueRequestObject(this.server, this.client, all, this.key) };
    if (this.given.par) {
      const pushed = await this.#again(
        () => oauth.pushedAuthorizationRequest(this.server, this.client, this.auth, all, this.options),
        (response) => oauth.processPushedAuthorizationResponse(this.server, this.client, response),
      );
      all = { client_id: this.client.client_id, request_uri: pushed.request_uri };
    }
    const address = new URL(this.server.authorization_endpoint);
    for (const [name, value] of Object.entries(all)) address.searchParams.set(name, value);
    return { address, checks };
  }

  async redeem(arrived, checks) {
    const parameters = arrived instanceof Request ? new URLSearchParams(await arrived.text()) : arrived.searchParams;
    const callback = this.given.jarm
      ? await oauth.validateJwtAuthResponse(this.server, this.client, parameters, checks.state, PLAIN)
      : oauth.validateAuthResponse(this.server, this.client, parameters, checks.state);
    const expected = { expectedNonce: checks.nonce, requireIdToken: true };
    let response;
    const tokens = await this.#again(
      async () => (response = await oauth.authorizationCodeGrantRequest(
        this.server, this.client, this.auth, callback, checks.redirect_uri, checks.verifier, this.options)),
      (answer) => oauth.processAuthorizationCodeResponse(this.server, this.client, answer, expected),
    );
    await oauth.validateApplicationLevelSignature(this.server, response, PLAIN);
    return withClaims(tokens);
  }

  beginDevice = async (parameters) => oauth.processDeviceAuthorizationResponse(
    this.server, this.client, await oauth.deviceAuthorizationRequest(this.server, this.client, this.auth, parameters, PLAIN));

  askDevice = ({ device_code }) => this.#again(
    () => oauth.deviceCodeGrantRequest(this.server, this.client, this.auth, device_code, this.options),
    (response) => oauth.processDeviceCodeResponse(this.server, this.client, response),
  );

  pollDevice = async (told) => withClaims(await this.askDevice(told));

  // Signed (CIBA section 7.1.1) by a client that signs its requests.
  async beginBackchannel(parameters) {
    const form = this.given.jar ? { request: await oauth.issueRequestObject(this.server, this.client, parameters, this.key) } : parameters;
    const response = await oauth.backchannelAuthenticationRequest(this.server, this.client, this.auth, form, PLAIN);
    return oauth.processBackchannelAuthenticationResponse(this.server, this.client, response);
  }

  askBackchannel = ({ auth_req_id }) => this.#again(
    () => oauth.backchannelAuthenticationGrantRequest(this.server, this.client, this.auth, auth_req_id, this.options),
    (response) => oauth.processBackchannelAuthenticationGrantResponse(this.server, this.client, response),
  );

  pollBackchannel = async (told) => withClaims(await this.askBackchannel(told));

  refresh = (refreshToken) => this.#again(
    () => oauth.refreshTokenGrantRequest(this.server, this.client, this.auth, refreshToken, this.options),
    (response) => oauth.processRefreshTokenResponse(this.server, this.client, response),
  );

  userinfo = (accessToken, sub) => this.#again(
    () => oauth.userInfoRequest(this.server, this.client, accessToken, this.options),
    (response) => oauth.processUserInfoResponse(this.server, this.client, sub, response),
  );

  introspect = async (token) =>
    oauth.processIntrospectionResponse(this.server, this.client, await oauth.introspectionRequest(this.server, this.client, this.auth, token, PLAIN));

  revoke = async (token) =>
    oauth.processRevocationResponse(await oauth.revocationRequest(this.server, this.client, this.auth, token, PLAIN));

  own = (scope) => this.#again(
    () => oauth.clientCredentialsGrantRequest(this.server, this.client, this.auth, { scope }, this.options),
    (response) => oauth.processClientCredentialsResponse(this.server, this.client, response),
  );

  logoutAddress(parameters) {
    return new URL(`${this.server.end_session_endpoint}?${new URLSearchParams({ client_id: this.client.client_id, ...parameters })}`);
  }

  // Once more when the server wants a nonce in the proof (RFC 9449 section 8): the library has kept it.
  async #again(request, process) {
    try {
      return await process(await request());
    } catch (error) {
      if (!oauth.isDPoPNonceError(error)) throw error;
      return process(await request());
    }
  }
}

async function register(server, { metadata, invitation }) {
  const response = await oauth.dynamicClientRegistrationRequest(server, metadata, { ...PLAIN, initialAccessToken: invitation });
  return oauth.processDynamicClientRegistrationResponse(response);
}

function withClaims(tokens) {
  return { ...tokens, claims: oauth.getValidatedIdTokenClaims(tokens) };
}
