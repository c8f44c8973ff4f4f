"""The statements of the floors: each does in one round trip what the operation cannot do without."""

ROTATE = """
UPDATE sessions AS s SET
    generation = $3::bigint + 1,
    refresh_token_hash = $4,
    superseded_at = (ARRAY[clock_timestamp()] || s.superseded_at)[1:4],
    refreshed_at = clock_timestamp(),
    address = $5,
    user_agent = $6
FROM accounts AS a
WHERE s.id = $1 AND s.refresh_token_hash = $2 AND s.client = 'native' AND a.id = s.account_id AND a.enabled
    AND s.revoked_at IS NULL AND s.created_at > a.sessions_ended_at
    AND s.expires_at > clock_timestamp() AND s.refreshed_at > clock_timestamp() - interval '7 days'
RETURNING s.id, s.account_id, s.client, s.amr, s.created_at, s.expires_at, a.roles
"""

ME = """
SELECT id, email, roles, created_at FROM accounts AS a
WHERE id = $1 AND enabled
    AND EXISTS (
        SELECT FROM sessions AS s
        WHERE s.id = $2 AND s.account_id = $1 AND s.revoked_at IS NULL AND s.created_at > a.sessions_ended_at
    )
    AND NOT EXISTS (SELECT FROM revocations AS r WHERE r.id = ANY($3) AND r.expires_at > clock_timestamp())
"""

END = """
WITH ended AS (
    UPDATE sessions SET revoked_at = clock_timestamp()
    WHERE id = $1 AND revoked_at IS NULL AND ($2::bytea IS NULL OR refresh_token_hash = $2) RETURNING id
)
INSERT INTO revocations (id, expires_at)
SELECT unnest(ARRAY[id::text] || $3::text[]), clock_timestamp() + interval '16 minutes' FROM ended
ON CONFLICT (id) DO NOTHING RETURNING id
"""

ACCOUNT = "SELECT id, email, password_hash, password_version, enabled FROM accounts WHERE email = $1"

OPEN = """
WITH owner AS (
    SELECT id, roles, clock_timestamp() AS moment FROM accounts
    WHERE id = $2 AND enabled AND password_version = $3 FOR NO KEY UPDATE
), opened AS (
    INSERT INTO sessions
        (id, account_id, client, refresh_token_hash, amr, authenticated_at,
         created_at, refreshed_at, expires_at, address, user_agent)
    SELECT $1, id, 'native', $4, '{pwd}', moment, moment, moment, moment + interval '30 days', $5, $6
    FROM owner
    RETURNING id, account_id, client, amr, created_at, expires_at
)
SELECT opened.id, account_id, client, amr, created_at, expires_at, roles
FROM opened, owner
"""

CHARGE = """
for number, key in ipairs(KEYS) do
    if redis.call('INCR', key) > tonumber(ARGV[number]) then return number end
    redis.call('EXPIRE', key, 60)
end
return 0
"""
"""Counts a guess in the budgets of the account, the address and everyone, and says which one is used up."""

SETTLE = "redis.call('DEL', KEYS[1]) for number = 2, #KEYS do redis.call('DECR', KEYS[number]) end"
"""A right guess: clears the account's budget, and takes the charge back from the others."""

REVOKE = "for _, key in ipairs(KEYS) do redis.call('SET', key, 1, 'EX', ARGV[1]) end"
