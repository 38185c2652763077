-- Register a worker's capacity, drop workers that fell silent, and notice a server that is not the one we knew.
--
-- KEYS  1 root
-- ARGV  1 worker, 2 capacity ('' to leave the fleet), 3 time to live (us), 4 the server's run id
-- reply { server time, fleet capacity, workers, '1' when the server was restarted since anybody last looked, inbox records overdue }
-- keys  workers, meta
-- After a restart every bucket starts empty: with `appendfsync everysec` its last slots may be forgotten (design, section 4).
--@include keys.lua
local now = server_time()
if ARGV[2] == '' then
  redis.call('HDEL', key.workers, ARGV[1])
else
  redis.call('HSET', key.workers, ARGV[1], ARGV[2] .. '|' .. int(now + tonumber(ARGV[3])))
end

local capacity, workers = 0, 0
local all = redis.call('HGETALL', key.workers)
for i = 1, #all, 2 do
  local own, expires = string.match(all[i + 1], '^(%d+)|(%d+)$')
  if tonumber(expires) < now then
    redis.call('HDEL', key.workers, all[i])
  else
    capacity = capacity + tonumber(own)
    workers = workers + 1
  end
end

local known = redis.call('HGET', key.meta, 'run_id')
local restarted = '0'
if known ~= ARGV[4] then
  redis.call('HSET', key.meta, 'run_id', ARGV[4])
  redis.call('HINCRBY', key.meta, 'epoch', 1)
  if known then restarted = '1' end
end
return { int(now), capacity, workers, restarted }
