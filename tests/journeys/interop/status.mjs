// A service in JavaScript that looks up a token's session in its status list: jose and twenty lines of its own.
// Reads {"url", "token"} from each line, and answers the status as these lines and as a library find it.
import { createInterface } from 'node:readline'
import { inflateSync } from 'node:zlib'
import { getListFromStatusListJWT, getStatusListFromJWT } from '@sd-jwt/jwt-status-list'
import { createRemoteJWKSet, decodeJwt, jwtVerify } from 'jose'

async function status(token, keys) {
  const { iss, status } = decodeJwt(token)
  const { idx, uri } = status.status_list
  const answer = await fetch(uri, { headers: { accept: 'application/statuslist+jwt' } })
  if (!answer.ok) throw new Error(`${uri}: ${answer.status}`)
  const list = await answer.text()
  const { payload } = await jwtVerify(list, keys, { typ: 'statuslist+jwt', issuer: iss, subject: uri })
  const bytes = inflateSync(Buffer.from(payload.status_list.lst, 'base64url'))
  if (idx >> 3 >= bytes.length) throw new Error('the token names no place of its list')
  return { ours: (bytes[idx >> 3] >> (idx & 7)) & 1, list }
}

for await (const line of createInterface({ input: process.stdin })) {
  const { url, token } = JSON.parse(line)
  const { ours, list } = await status(token, createRemoteJWKSet(new URL(url)))
  const reference = getStatusListFromJWT(token)
  console.log(JSON.stringify({ ours, theirs: getListFromStatusListJWT(list).getStatus(reference.idx) }))
}
