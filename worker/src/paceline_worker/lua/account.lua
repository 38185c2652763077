-- Add, change, suspend, resume and remove accounts.
--
-- KEYS  1 root
-- ARGV  1 verb, 2 account, then
--         add:     field, value ... of a:<acct> (interval, quotas, variation, rate, pacing, senders, key, key_version ...)
--         limits:  field, value ... to change; the bucket keeps its time
--         suspend: 3 reason      resume, remove, key: nothing
-- reply key: { encrypted key, key version }; else 'done' | 'exists' | 'unknown account' | 'not empty'
-- keys  accounts, a:<acct> and its sets, lanes, due
--@include keys.lua
--@include bucket.lua
--@include lanes.lua
local verb, name = ARGV[1], ARGV[2]
local k = key.account(name)
local now = server_time()
local known = redis.call('EXISTS', k) == 1

if verb == 'add' and known then return 'exists' end
if verb ~= 'add' and not known then return 'unknown account' end

if verb == 'key' then return redis.call('HMGET', k, 'key', 'key_version') end
if verb == 'add' or verb == 'limits' then
  for i = 3, #ARGV, 2 do redis.call('HSET', k, ARGV[i], ARGV[i + 1]) end
  if verb == 'add' then
    redis.call('HSET', k, 'name', name, 'added_at', int(now))
    redis.call('SADD', key.accounts, name)
  end
elseif verb == 'suspend' then
  redis.call('HSET', k, 'suspended', ARGV[3], 'suspended_at', int(now))
elseif verb == 'resume' then
  redis.call('HDEL', k, 'suspended', 'suspended_at', 'paused_until', 'throttled', 'probe')
else
  local n = redis.call('HGET', k .. ':n', 'inbox') or '0'
  if n ~= '0' or redis.call('EXISTS', k .. ':fl', k .. ':tm', k .. ':held') > 0 then return 'not empty' end
  local senders = redis.call('SMEMBERS', k .. ':ln')
  for _, sender in ipairs(senders) do
    local lane = key.lane(name, sender)
    if redis.call('EXISTS', lane .. ':t', lane .. ':s', lane .. ':h') > 0 then return 'not empty' end
  end
  for _, sender in ipairs(senders) do redis.call('DEL', key.lane(name, sender)) end
  for _, quota in ipairs(bucket.parse_quotas(redis.call('HGET', k, 'quotas'))) do
    redis.call('DEL', bucket.log({ key = k }, quota))
  end
  redis.call('DEL', k, k .. ':n', k .. ':ln', k .. ':in', k .. ':rt', k .. ':rb', k .. ':sp')
  redis.call('SREM', key.accounts, name)
  redis.call('ZREM', key.due, name)
  return 'done'
end
reschedule(load_account(name, now, current_epoch()), now)
return 'done'
