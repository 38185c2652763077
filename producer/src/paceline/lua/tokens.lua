-- Tokens of the HTTP gateway: what they may do, and the digest of their secret; never the secret.
--
-- KEYS  1 root
-- ARGV  1 verb, then
--         add:    2 token id, 3 its fields (JSON)
--         get:    2 token id
--         revoke: 2 token id
--         list:   nothing more
--         enter:   2 token id, 3 digest of a session's secret, 4 lifetime (ms)
--         session: 2 digest of a session's secret
--         leave:   2 digest of a session's secret
-- reply add: 'done' | 'taken'     get: JSON or ''     revoke: 'done' | 'unknown'     list: flat ids and JSON
--       enter, leave: 'done'     session: JSON of its token; '' when the session has ended or the token is revoked
-- keys  tokens, session:<digest>. Replayable: adding or entering the same twice is done both times.
--@include keys.lua
local verb, id = ARGV[1], ARGV[2]

if verb == 'list' then return redis.call('HGETALL', key.tokens) end
if verb == 'get' then return redis.call('HGET', key.tokens, id) or '' end
if verb == 'revoke' then return redis.call('HDEL', key.tokens, id) == 1 and 'done' or 'unknown' end
if verb == 'enter' then
  redis.call('SET', key.session(ARGV[3]), id, 'PX', ARGV[4])
  return 'done'
end
if verb == 'session' then
  local token = redis.call('GET', key.session(ARGV[2]))
  return token and redis.call('HGET', key.tokens, token) or ''
end
if verb == 'leave' then
  redis.call('DEL', key.session(ARGV[2]))
  return 'done'
end
local known = redis.call('HGET', key.tokens, id)
if known and known ~= ARGV[3] then return 'taken' end
redis.call('HSET', key.tokens, id, ARGV[3])
return 'done'
