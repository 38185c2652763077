-- A worker that cannot reach the provider says why, or that it can again. People read it; nothing else follows from it.
--
-- KEYS  1 root
-- ARGV  1 worker, 2 why ('' when it can)
-- keys  unreachable
--@include keys.lua
local now = server_time()
local PATIENCE = 30000000  -- a worker that cannot reach the provider says so every few seconds

if ARGV[2] == '' then
  redis.call('HDEL', key.unreachable, ARGV[1])
else
  redis.call('HSET', key.unreachable, ARGV[1], int(now + PATIENCE) .. '|' .. ARGV[2])
end
for _, worker in ipairs(redis.call('HKEYS', key.unreachable)) do
  local expires = string.match(redis.call('HGET', key.unreachable, worker), '^(%d+)|')
  if tonumber(expires or 0) < now then redis.call('HDEL', key.unreachable, worker) end
end
redis.call('PEXPIRE', key.unreachable, PATIENCE / 1000)
