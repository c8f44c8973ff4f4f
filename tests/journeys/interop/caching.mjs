// A service in JavaScript that runs for long, with the key set cached as jose does it by default.
// node caching.mjs KEY_SET_URL ISSUER AUDIENCE
// Reads a token from each line and answers each with a line: {"kid"}, or jose's {"code", "message"}.
// An empty line is not answered: it stands for the time after which nothing that was fetched is kept.
import { createInterface } from 'node:readline'
import { createRemoteJWKSet, jwtVerify } from 'jose'

const [url, issuer, audience] = process.argv.slice(2)
let keys = createRemoteJWKSet(new URL(url))
for await (const token of createInterface({ input: process.stdin })) {
  if (token === '') {
    keys = createRemoteJWKSet(new URL(url))
    continue
  }
  try {
    const { protectedHeader } = await jwtVerify(token, keys, {
      algorithms: ['RS256', 'ES256'],
      typ: 'at+jwt',
      issuer,
      audience,
    })
    console.log(JSON.stringify({ kid: protectedHeader.kid }))
  } catch (error) {
    console.log(JSON.stringify({ code: error.code, message: error.message }))
  }
}
