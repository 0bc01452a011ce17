// npm openid-client (certified by the OpenID Foundation) behind the verbs that flows.mjs speaks.
import * as oidc from "openid-client";
import { signingKey } from "./keys.mjs";

const AUTH = {
  client_secret_basic: ({ client_secret }) => oidc.ClientSecretBasic(client_secret),
  client_secret_post: ({ client_secret }) => oidc.ClientSecretPost(client_secret),
  private_key_jwt: (_, key) => oidc.PrivateKeyJwt(key),
};

export class Party {
  static async connect(given) {
    const party = new Party();
    party.key = given.key && (await signingKey(given.key));
    const metadata = { client_id: given.client_id, client_secret: given.client_secret, ...given.metadata };
    const auth = AUTH[given.auth](given, party.key);
    const execute = [oidc.allowInsecureRequests, oidc.enableNonRepudiationChecks, ...(given.jarm ? [oidc.useJwtResponseMode] : [])];
    const issuer = new URL(given.issuer);
    party.config = given.invitation
      ? await oidc.dynamicClientRegistration(issuer, given.metadata, auth, { initialAccessToken: given.invitation, execute })
      : await oidc.discovery(new URL(given.openid_configuration), given.client_id, metadata, auth, { execute });
    party.client_id = party.config.clientMetadata().client_id;
    party.bound = given.dpop ? { DPoP: oidc.getDPoPHandle(party.config, await oidc.randomDPoPKeyPair("ES256")) } : {};
    party.given = given;
    return party;
  }

  // The authorization address, and what to check when its answer comes.
  async begin(parameters) {
    const checks = { pkceCodeVerifier: oidc.randomPKCECodeVerifier(), expectedNonce: oidc.randomNonce(), expectedState: oidc.randomState() };
    if (this.given.pkce === false) delete checks.pkceCodeVerifier;
    const all = { ...parameters, nonce: checks.expectedNonce, state: checks.expectedState };
    if (checks.pkceCodeVerifier) {
      all.code_challenge = await oidc.calculatePKCECodeChallenge(checks.pkceCodeVerifier);
      all.code_challenge_method = "S256";
    }
    let address = this.given.jar ? await oidc.buildAuthorizationUrlWithJAR(this.config, all, this.key) : oidc.buildAuthorizationUrl(this.config, all);
    if (this.given.par) address = await oidc.buildAuthorizationUrlWithPAR(this.config, address.searchParams, this.bound);
    return { address, checks: { ...checks, idTokenExpected: true } };
  }

  async redeem(arrived, checks) {
    return withClaims(await oidc.authorizationCodeGrant(this.config, arrived, checks, undefined, this.bound));
  }

  beginDevice = (parameters) => oidc.initiateDeviceAuthorization(this.config, parameters);
  askDevice = ({ device_code }) => this.#ask("urn:ietf:params:oauth:grant-type:device_code", { device_code });
  // At once: the citizen has answered.
  pollDevice = async (told) => withClaims(await oidc.pollDeviceAuthorizationGrant(this.config, { ...told, interval: 0 }, undefined, this.bound));

  beginBackchannel = (parameters) => oidc.initiateBackchannelAuthentication(this.config, parameters);
  askBackchannel = ({ auth_req_id }) => this.#ask("urn:openid:params:grant-type:ciba", { auth_req_id });
  pollBackchannel = async (told) =>
    withClaims(await oidc.pollBackchannelAuthenticationGrant(this.config, { ...told, interval: 0 }, undefined, this.bound));

  #ask = (grantType, parameters) => oidc.genericGrantRequest(this.config, grantType, parameters, this.bound);

  refresh = (refreshToken) => oidc.refreshTokenGrant(this.config, refreshToken, undefined, this.bound);
  userinfo = (accessToken, sub) => oidc.fetchUserInfo(this.config, accessToken, sub, this.bound);
  introspect = (token) => oidc.tokenIntrospection(this.config, token);
  revoke = (token) => oidc.tokenRevocation(this.config, token);
  own = (scope) => oidc.clientCredentialsGrant(this.config, { scope }, this.bound);
  logoutAddress = (parameters) => oidc.buildEndSessionUrl(this.config, parameters);
}

function withClaims(tokens) {
  return { ...tokens, claims: tokens.claims() };
}
