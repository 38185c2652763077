-- Pools of senders of an account: read and write them.
--
-- KEYS  1 root
-- ARGV  1 verb, 2 account, then
--         list:            -> flat: names and what is known of each (JSON)
--         create, change:  3 name, 4 what is known of it (JSON)
--         remove:          3 name
-- reply else: 'done' | 'unknown account' | 'unknown pool' | 'exists'
-- keys  pools:<acct>, accounts (read)
--@include keys.lua
local verb, account, name = ARGV[1], ARGV[2], ARGV[3]
local pools = key.pools(account)

if redis.call('SISMEMBER', key.accounts, account) == 0 then
  return verb == 'list' and {} or 'unknown account'
elseif verb == 'list' then
  return redis.call('HGETALL', pools)
elseif verb == 'create' then
  return redis.call('HSETNX', pools, name, ARGV[4]) == 1 and 'done' or 'exists'
elseif redis.call('HEXISTS', pools, name) == 0 then
  return 'unknown pool'
elseif verb == 'change' then
  redis.call('HSET', pools, name, ARGV[4])
else
  redis.call('HDEL', pools, name)
end
return 'done'
