// Checks access tokens as a service in JavaScript would: with the key set's URL and nothing else of ours.
// Reads {"url", "algorithm", "issuer", "token"} from each line, and fetches the key set anew for each.
// Answers each with a line: {"payload"} when the token holds, else jose's {"code"} and the claim that did not.
import { createInterface } from 'node:readline'
import { createRemoteJWKSet, jwtVerify } from 'jose'

for await (const line of createInterface({ input: process.stdin })) {
  const { url, algorithm, issuer, token } = JSON.parse(line)
  try {
    const { payload } = await jwtVerify(token, createRemoteJWKSet(new URL(url)), {
      algorithms: [algorithm],
      typ: 'at+jwt',
      issuer,
      audience: issuer,
      clockTolerance: 30,
    })
    console.log(JSON.stringify({ payload }))
  } catch (error) {
    if (!error.code?.startsWith('ERR_J')) throw error
    console.log(JSON.stringify({ code: error.code, claim: error.claim }))
  }
}
