// Checks an access token as a service in JavaScript would: with the key set's URL and nothing else of ours.
// node verify.mjs KEY_SET_URL ALGORITHM ISSUER AUDIENCE < token
// Prints {"payload"} when it holds, else jose's {"code"} and the claim that did not.
import { text } from 'node:stream/consumers'
import { createRemoteJWKSet, jwtVerify } from 'jose'

const [url, algorithm, issuer, audience] = process.argv.slice(2)
const token = await text(process.stdin)
try {
  const { payload } = await jwtVerify(token, createRemoteJWKSet(new URL(url)), {
    algorithms: [algorithm],
    typ: 'at+jwt',
    issuer,
    audience,
    clockTolerance: 30,
  })
  console.log(JSON.stringify({ payload }))
} catch (error) {
  if (!error.code?.startsWith('ERR_J')) throw error
  console.log(JSON.stringify({ code: error.code, claim: error.claim }))
}
