-- Tokens of the HTTP gateway: what they may do, and the digest of their secret; never the secret.
--
-- KEYS  1 root
-- ARGV  1 verb, then
--         add:    2 token id, 3 its fields (JSON)
--         get:    2 token id
--         revoke: 2 token id
--         list:   nothing more
-- reply add: 'done' | 'taken'     get: JSON or ''     revoke: 'done' | 'unknown'     list: flat ids and JSON
-- keys  tokens. Replayable: adding the same twice is done both times.
--@include keys.lua
local verb, id = ARGV[1], ARGV[2]

if verb == 'list' then return redis.call('HGETALL', key.tokens) end
if verb == 'get' then return redis.call('HGET', key.tokens, id) or '' end
if verb == 'revoke' then return redis.call('HDEL', key.tokens, id) == 1 and 'done' or 'unknown' end
local known = redis.call('HGET', key.tokens, id)
if known and known ~= ARGV[3] then return 'taken' end
redis.call('HSET', key.tokens, id, ARGV[3])
return 'done'
