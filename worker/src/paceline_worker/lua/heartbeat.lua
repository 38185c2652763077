-- Register a worker's capacity and what a call costs it, and drop workers that fell silent.
--
-- KEYS  1 root
-- ARGV  1 worker, 2 capacity ('' to leave the fleet), 3 time to live (us),
--       4 how long a call takes, 5 how much CPU one needs, as this worker measured (us; 0: not measured; may be left out)
-- reply { server time, fleet capacity, workers }
-- keys  workers
--@include keys.lua
local now = server_time()
if ARGV[2] == '' then
  redis.call('HDEL', key.workers, ARGV[1])
else
  local figures = '|' .. (ARGV[4] or '0') .. '|' .. (ARGV[5] or '0')
  redis.call('HSET', key.workers, ARGV[1], ARGV[2] .. '|' .. int(now + tonumber(ARGV[3])) .. figures)
end

local capacity, workers = 0, 0
local all = redis.call('HGETALL', key.workers)
for i = 1, #all, 2 do
  local own, expires = string.match(all[i + 1], '^(%d+)|(%d+)')
  if tonumber(expires) < now then
    redis.call('HDEL', key.workers, all[i])
  else
    capacity = capacity + tonumber(own)
    workers = workers + 1
  end
end

return { int(now), capacity, workers }
