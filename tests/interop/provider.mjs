// npm oidc-provider (certified by the OpenID Foundation), configured as Regie is: same addresses, clients, scopes, lifetimes.
// node provider.mjs [FILE] with {"port", "clients", "api", "adapter"} in FILE or standard input: listens on loopback; prints "ready". One citizen logs in by being asked.
// `api`: the resource whose access tokens are JWTs; all others are opaque. `adapter`: a module to store in; in memory without it.
import { readFileSync } from "node:fs";
import { generateKeyPairSync } from "node:crypto";
import Provider, { errors } from "oidc-provider";

const { port, clients, api, adapter } = JSON.parse(readFileSync(process.argv[2] ?? 0, "utf8"));
const issuer = `http://localhost:${port}`;
const API_SCOPES = ["consent:check", "consent:permit", "consent:redeem"];
const SCOPES = ["openid", "birthdate", "profile", "address", "nationality"];

function key(kid, alg, type, options) {
  return { ...generateKeyPairSync(type, options).privateKey.export({ format: "jwk" }), kid, alg, use: "sig" };
}

const provider = new Provider(issuer, {
  adapter: adapter && (await import(adapter)).default,
  clients,
  jwks: { keys: [key("es", "ES256", "ec", { namedCurve: "P-256" }), key("rs", "RS256", "rsa", { modulusLength: 2048 })] },
  cookies: { keys: ["loopback only"], long: { sameSite: "none" } },
  enableHttpPostMethods: true,
  scopes: [...SCOPES, ...API_SCOPES],
  claims: { openid: ["sub"], birthdate: ["birthdate"], profile: ["name"], address: ["address"], nationality: ["nationalities"] },
  acrValues: ["http://eidas.europa.eu/LoA/low", "http://eidas.europa.eu/LoA/substantial"],
  clientDefaults: { id_token_signed_response_alg: "ES256" },
  clientAuthMethods: ["client_secret_basic", "client_secret_post", "private_key_jwt"],
  responseTypes: ["code"],
  pkce: { required: () => true },
  enabledJWA: {
    clientAuthSigningAlgValues: ["ES256", "PS256", "RS256", "Ed25519"],
    requestObjectSigningAlgValues: ["ES256", "PS256", "RS256", "Ed25519"],
    dPoPSigningAlgValues: ["ES256", "PS256", "Ed25519"],
    authorizationSigningAlgValues: ["ES256", "RS256"],
    idTokenSigningAlgValues: ["ES256", "RS256"],
    userinfoSigningAlgValues: ["ES256", "RS256"],
    introspectionSigningAlgValues: ["ES256", "RS256"],
  },
  routes: {
    authorization: "/oauth2/authorize",
    token: "/oauth2/token",
    pushed_authorization_request: "/oauth2/par",
    introspection: "/oauth2/introspect",
    revocation: "/oauth2/revoke",
    userinfo: "/oauth2/userinfo",
    jwks: "/oauth2/jwks",
    end_session: "/oauth2/logout",
    device_authorization: "/oauth2/device_authorization",
    backchannel_authentication: "/oauth2/bc-authorize",
  },
  features: {
    devInteractions: { enabled: false },
    claimsParameter: { enabled: true },
    clientCredentials: { enabled: true },
    introspection: { enabled: true },
    revocation: { enabled: true },
    requestObjects: { enabled: true },
    jwtResponseModes: { enabled: true },
    dPoP: { enabled: true },
    rpInitiatedLogout: { enabled: true },
    resourceIndicators: {
      enabled: true,
      // What is asked of no citizen is for the API, as with us.
      defaultResource: (ctx) => (ctx.oidc.params?.grant_type === "client_credentials" ? api : undefined),
      useGrantedResource: () => true,
      getResourceServerInfo(_ctx, resource) {
        if (resource !== api) throw new errors.InvalidTarget();
        return { scope: API_SCOPES.join(" "), audience: api, accessTokenFormat: "jwt", accessTokenTTL: 300, jwt: { sign: { alg: "ES256" } } };
      },
    },
  },
  interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
  findAccount: (_ctx, id) => ({ accountId: id, claims: () => ({ sub: id, birthdate: "1961-07-09", name: "Cees Voorbeeld" }) }),
  rotateRefreshToken: (ctx) => !ctx.oidc.entities.RefreshToken.isSenderConstrained(),
  issueRefreshToken: (_ctx, client) => client.grantTypeAllowed("refresh_token"),
  ttl: { AccessToken: 300, AuthorizationCode: 60, ClientCredentials: 300, IdToken: 300, Interaction: 900, Session: 3600, Grant: 86400, RefreshToken: 86400 },
});



// The citizen: whoever is asked is logged in as "cees" and allows what the request asks.
provider.use(async (ctx, next) => {
  if (!ctx.path.startsWith("/interaction/")) return next();
  const { params, session } = await provider.interactionDetails(ctx.req, ctx.res);
  const accountId = session?.accountId ?? "cees";
  const grant = new provider.Grant({ accountId, clientId: params.client_id });
  grant.addOIDCScope(SCOPES.join(" "));
  grant.addOIDCClaims(["birthdate", "name", "address", "nationalities"]);
  if (api) grant.addResourceScope(api, API_SCOPES.join(" "));
  const result = { login: { accountId }, consent: { grantId: await grant.save() } };
  await provider.interactionFinished(ctx.req, ctx.res, result, { mergeWithLastSubmission: false });
  ctx.respond = false;
});

provider.on("server_error", (_ctx, error) => console.error(error));
provider.listen(port, "127.0.0.1", () => console.log("ready"));
