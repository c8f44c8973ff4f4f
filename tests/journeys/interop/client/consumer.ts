// A frontend on the client that openapi-typescript generates from contract/openapi.json.
// It compiles only while the contract gives usable names and typed codes.
import createClient from 'openapi-fetch'
import type { components, operations, paths } from './watchword.js'

type TokenResponse = components['schemas']['TokenResponse']
type Session = components['schemas']['Session']
type Problem = components['schemas']['Problem']
type RefreshCode = operations['refresh']['responses'][401]['content']['application/problem+json']['code']

const client = createClient<paths>({ baseUrl: 'https://auth.example.com' })

export async function signIn(email: string, password: string): Promise<TokenResponse | Problem> {
  // Without `client` the caller is a browser.
  const { data, error } = await client.POST('/login', { body: { email, password } })
  return data ?? error
}

export function refreshTokenOf(tokens: TokenResponse): string | undefined {
  return 'refresh_token' in tokens ? tokens.refresh_token : undefined
}

export function explain(code: RefreshCode): string {
  switch (code) {
    case 'refresh_token_missing':
    case 'refresh_token_invalid':
      return 'Sign in.'
    case 'refresh_token_expired':
      return 'Sign in again.'
    case 'refresh_token_reused':
      return 'Somebody may have copied your session. Sign in again.'
    case 'session_revoked':
      return 'You signed out elsewhere.'
    default: {
      const unhandled: never = code
      return unhandled
    }
  }
}

export async function retryAfter(email: string, password: string): Promise<number | null> {
  const { error, response } = await client.POST('/login', { body: { email, password, client: 'native' } })
  return error?.code === 'too_many_requests' ? Number(response.headers.get('Retry-After')) : null
}

export async function otherSessions(accessToken: string): Promise<Session[]> {
  const { data } = await client.GET('/sessions', { headers: { Authorization: `Bearer ${accessToken}` } })
  return data?.sessions.filter((session) => !session.current) ?? []
}

export async function endSession(accessToken: string, session: Session): Promise<boolean> {
  const { response } = await client.DELETE('/sessions/{session_id}', {
    params: { path: { session_id: session.id } },
    headers: { Authorization: `Bearer ${accessToken}` },
  })
  return response.status === 204
}

// A service client sends forms, and is refused in the words of RFC 6749.
type Introspection = components['schemas']['Introspection']

export async function ask(token: string, accessToken: string): Promise<Introspection | 'ask for the scope' | null> {
  const { data, error } = await client.POST('/introspect', {
    body: { token },
    bodySerializer: ({ token }) => new URLSearchParams({ token }),
    headers: { Authorization: `Bearer ${accessToken}` },
  })
  if (data) return data
  return 'error' in error && error.error === 'insufficient_scope' ? 'ask for the scope' : null
}
