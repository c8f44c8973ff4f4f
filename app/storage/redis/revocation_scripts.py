"""The scripts of the revocation index, and what its keys hold.

``marker``
    The ``run_id`` of the server. Only while it is that of the server that answers, the index is trusted.
``filled``
    The position of Postgres up to which the index holds every revocation, behind the state that the server
    was in. It counts only in that state: a server that was restarted, promoted or made to evict a key since
    then may lack entries. It expires, so everything is entered again from time to time.
``nonce``
    The state of the server when a look at Postgres began. Where it is gone or another one at the end of the
    look, entries may be gone too.
"""

FILLED_SECONDS = 300
"""How long ``filled`` lives. An entry that was deleted by hand, or expired because the clock of the server
was set forward, is missing for so long at most."""
NONCE_SECONDS = 600
"""How long a look may take."""

# False on a replica, which may lack what its primary has. A promotion, which may lose writes, changes it.
_RUN_ID = """
local info = redis.call('INFO', 'server', 'replication')
local run_id = string.find(info, 'role:master', 1, true) and string.match(info, 'run_id:(%w+)')
"""
# A server that was demoted and promoted again has its former run_id, and another replid.
_STATE = """
local info = redis.call('INFO', 'server', 'replication', 'memory', 'stats')
local run_id = string.find(info, 'role:master', 1, true) and string.match(info, 'run_id:(%w+)')
local replid, evicted = string.match(info, 'master_replid:(%w+)'), string.match(info, 'evicted_keys:(%d+)')
local state = run_id and run_id .. ' ' .. replid .. ' ' .. evicted .. ' '
local evicts = not string.find(info, 'maxmemory_policy:noeviction', 1, true)
if evicts then redis.call('DEL', KEYS[2], KEYS[3]) end
"""
FIND = f"""#!lua
{_RUN_ID}
local answers = redis.call('MGET', unpack(KEYS))
if not run_id or answers[1] ~= run_id then return -1 end
for number = 2, #KEYS do if answers[number] then return 1 end end
return 0
"""
"""KEYS: the marker, and the entries to look for; returns 1, 0 or, without trust, -1.

The values decide, never a count. Because of the first line a server that refuses writes, and so may lack
entries, refuses the script too.
"""
ADD = "for number, key in ipairs(KEYS) do redis.call('SET', key, 1, 'PX', ARGV[number]) end"
"""KEYS: the entries. ARGV: the milliseconds that each of them lives."""
BEGIN = f"""
{_STATE}
if evicts then return {{'evicting', ''}} end
redis.call('SET', KEYS[1], state or '', 'EX', {NONCE_SECONDS})
local filled = redis.call('GET', KEYS[3])
local counts = state and filled and string.sub(filled, 1, #state) == state
return {{'begun', counts and string.sub(filled, #state + 1) or ''}}
"""
"""KEYS: nonce, marker, filled; returns a state, and the position of ``filled``, empty where none counts."""
MARK = f"""
{_STATE}
local nonce = redis.call('GET', KEYS[1])
redis.call('DEL', KEYS[1])
if evicts then return 'evicting' end
if not state or nonce ~= state then return 'disturbed' end
redis.call('SET', KEYS[2], run_id)
if ARGV[2] == '1' then
    redis.call('SET', KEYS[3], state .. ARGV[1], 'EX', {FILLED_SECONDS})
else
    redis.call('SET', KEYS[3], state .. ARGV[1], 'XX', 'KEEPTTL')
end
return 'trusted'
"""
"""KEYS: nonce, marker, filled. ARGV: the position reached, and 1 if everything was entered."""
FORGET = "redis.call('DEL', KEYS[1])"
"""KEYS: the marker."""
INFO = "return redis.call('INFO', 'server') .. redis.call('INFO', 'memory')"
"""Run with the marker's key, so that the node that holds the index answers in a cluster."""
