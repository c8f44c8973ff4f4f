// npm jose with createRemoteJWKSet, and the checks that Watchword's README shows.
// jose is looked for where JOSE names a folder with node_modules, or else beside this file.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const require = createRequire(`${process.env.JOSE ?? import.meta.dirname}/`);
const { createRemoteJWKSet, jwtVerify } = await import(pathToFileURL(require.resolve("jose")).href);
const { ISSUER: issuer, AUDIENCE: audience, JWKS_URL } = process.env;
const keys = createRemoteJWKSet(new URL(JWKS_URL));
const refused = /^ERR_(JWT|JWS|JOSE_ALG|JOSE_NOT|JWKS_NO_MATCHING|JWKS_MULTIPLE)/;

for await (const token of createInterface({ input: process.stdin })) {
  try {
    await jwtVerify(token, keys, {
      issuer, audience, typ: "at+jwt", algorithms: ["RS256"], clockTolerance: 30,
      requiredClaims: ["sub", "exp", "iat", "jti", "client_id"],
    });
    console.log("accepted");
  } catch (error) {
    console.log(refused.test(error.code) ? "refused" : "unknown");
  }
}
