-- Write over how many shards state is spread, and which accounts live on another shard than the proposed one (layout.lua reads).
--
-- KEYS  1 root of shard 0
-- ARGV  1 verb, then
--         create: 2 number of shards, 3 `keep`: note one shard, too, because a later caller's default is another number
--         claim:  2 what, 3 shard: a name that is unique in the deployment is looked for everywhere, then written there
--         done:   2 what, 3 shard: it is written, or will not be
--         begin:  2 account, 3 shard on which the account shall live: its move begins, unless one has begun
--         move:   2 account, 3 shard on which the account lives from now on
-- reply create: how many shards there are: another number when state was created with that, 1 when there is no directory and state has
--               accounts or a list of the numbers that no account may write to
--       claim:  the shard that has claimed the name; done: 1
--       begin:  the shard to which it is being moved     move: the version of the directory
-- keys  directory, claim:<what>, meta, accounts (read), supall (read)
--@include keys.lua
local directory = root .. ':directory'
local verb = ARGV[1]
-- Of whoever claimed a name and died: longer than looking and writing may take.
local CLAIM_MS = 60000

if verb == 'create' then
  local known = redis.call('HGET', directory, 'shards')
  if known then return tonumber(known) end
  if redis.call('EXISTS', key.accounts, key.suppressed(EVERY_ACCOUNT)) > 0 then return 1 end
  if ARGV[2] == '1' and ARGV[3] ~= 'keep' then return 1 end
  redis.call('HSET', directory, 'shards', ARGV[2], 'version', '0')
  if ARGV[2] == '1' then return 1 end
  -- A release that knows of no shards does not start on such state.
  redis.call('HSET', key.meta, 'schema', SCHEMA .. IN_SHARDS)
  return tonumber(ARGV[2])
end

if verb == 'claim' then
  local name = root .. ':claim:' .. ARGV[2]
  redis.call('SET', name, ARGV[3], 'NX', 'PX', CLAIM_MS)
  return tonumber(redis.call('GET', name))
end

if verb == 'done' then
  local name = root .. ':claim:' .. ARGV[2]
  if redis.call('GET', name) == ARGV[3] then redis.call('DEL', name) end
  return 1
end

if verb == 'begin' then
  if redis.call('HSETNX', directory, '~' .. ARGV[2], ARGV[3]) == 1 then redis.call('HINCRBY', directory, 'version', 1) end
  return tonumber(redis.call('HGET', directory, '~' .. ARGV[2]))
end

redis.call('HDEL', directory, '~' .. ARGV[2])
redis.call('HSET', directory, '=' .. ARGV[2], ARGV[3])
return redis.call('HINCRBY', directory, 'version', 1)
