-- Another secret: which workers have it, and stored API keys encrypted again under it, one by one, while everything runs.
--
-- KEYS  1 root
-- ARGV  1 verb, then
--         tell:    2 worker, 3 names of its secrets, 4 for how long that holds (us); 0: it leaves
--         workers: nothing
--         reseal:  2 account, 3 the encrypted key that is there, 4 the one to put in its place, 5 its digests, the one to keep first
-- reply tell: 'done'; workers: flat: each live worker and the names of its secrets ('' when it does not tell)
--       reseal: 'done' | 'changed' (another one is there, or none)
-- keys  rings, workers (read), secret:<acct>, keys
--@include keys.lua
local verb, now = ARGV[1], server_time()

if verb == 'tell' and ARGV[4] == '0' then
  redis.call('HDEL', key.rings, ARGV[2])
  return 'done'
elseif verb == 'tell' then
  redis.call('HSET', key.rings, ARGV[2], int(now + tonumber(ARGV[4])) .. '|' .. ARGV[3])
  redis.call('PEXPIRE', key.rings, math.floor(tonumber(ARGV[4]) / 1000))
  return 'done'
end

if verb == 'workers' then
  local found, told = {}, whole(key.rings)
  for worker, value in pairs(told) do
    local expires, secrets = string.match(value, '^(%d+)|(.*)$')
    if expires and tonumber(expires) > now then
      found[#found + 1], found[#found + 2] = worker, secrets
    else
      redis.call('HDEL', key.rings, worker)
      told[worker] = nil
    end
  end
  for worker, value in pairs(whole(key.workers)) do
    if not told[worker] and tonumber(string.match(value, '^%d+|(%d+)') or 0) > now then
      found[#found + 1], found[#found + 2] = worker, ''
    end
  end
  return found
end

local secret, account = key.secret(ARGV[2]), ARGV[2]
if redis.call('HGET', secret, 'key') ~= ARGV[3] then return 'changed' end
redis.call('HSET', secret, 'key', ARGV[4])
local digest, before = string.match(ARGV[5], '^%S+'), redis.call('HGET', secret, 'digest')
-- An account that shares its key with another from before there were digests stays without.
if before and digest and before ~= digest then
  redis.call('HDEL', key.keys, before)
  redis.call('HSET', key.keys, digest, account)
  redis.call('HSET', secret, 'digest', digest)
end
return 'done'
