// A service client on oauth4webapi: it finds the endpoints by itself, and proves who it is in both ways.
// Reads {"issuer", "client_id", "client_secret", "jwk", "token"} from the first line; answers one line of JSON.
import { createInterface } from 'node:readline'
import * as oauth from 'oauth4webapi'

const { value: line } = await createInterface({ input: process.stdin })[Symbol.asyncIterator]().next()
const { issuer, client_id, client_secret, jwk, token } = JSON.parse(line)
const insecure = { [oauth.allowInsecureRequests]: true }
const client = { client_id }

const found = await oauth.discoveryRequest(new URL(issuer), { algorithm: 'oauth2', ...insecure })
const server = await oauth.processDiscoveryResponse(new URL(issuer), found)

const key = await crypto.subtle.importKey('jwk', jwk, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign'])
const proofs = {
  client_secret_basic: oauth.ClientSecretBasic(client_secret),
  private_key_jwt: oauth.PrivateKeyJwt(
    { key, kid: jwk.kid },
    { [oauth.modifyAssertion]: (header) => (header.typ = 'client-authentication+jwt') },
  ),
}

async function use(proof) {
  const parameters = { scope: 'introspect' }
  const answered = await oauth.clientCredentialsGrantRequest(server, client, proof, parameters, insecure)
  const issued = await oauth.processClientCredentialsResponse(server, client, answered)
  const asked = await oauth.introspectionRequest(server, client, proof, token, insecure)
  const described = await oauth.processIntrospectionResponse(server, client, asked)
  const revoked = await oauth.revocationRequest(server, client, proof, issued.access_token, insecure)
  await oauth.processRevocationResponse(revoked)
  const again = await oauth.introspectionRequest(server, client, proof, issued.access_token, insecure)
  const { active } = await oauth.processIntrospectionResponse(server, client, again)
  return { issued: issued.scope, expires_in: issued.expires_in, sub: described.sub, active }
}

const answers = {}
for (const [name, proof] of Object.entries(proofs)) answers[name] = await use(proof)
try {
  const wrong = oauth.ClientSecretBasic(`${client_secret}x`)
  const answered = await oauth.clientCredentialsGrantRequest(server, client, wrong, {}, insecure)
  await oauth.processClientCredentialsResponse(server, client, answered)
} catch (error) {
  answers.wrong = { status: error.status, scheme: error.cause[0].scheme }
}
console.log(JSON.stringify(answers))
