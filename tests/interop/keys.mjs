// A client's private key, given as JWK, for the Web Cryptography API.

const IMPORT = {
  ES256: { name: "ECDSA", namedCurve: "P-256" },
  PS256: { name: "RSA-PSS", hash: "SHA-256" },
  RS256: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" },
  Ed25519: { name: "Ed25519" },
};

export async function signingKey(jwk) {
  const { kid, alg, use, key_ops, ...members } = jwk;
  return { kid, key: await crypto.subtle.importKey("jwk", members, IMPORT[alg], false, ["sign"]) };
}
