-- The server's clock may have been set back: nothing that was to end soon may hold for as long as it was set back.
--
-- KEYS  1 root
-- ARGV  1 longest lease of an operation in flight (us)
-- reply how many leases were made shorter
-- keys  fl, meta
-- A lease that would hold for a minute more than any lease does was given before that. Cost: by the operations in flight.
--@include keys.lua
local LONGEST_PAUSE, MARGIN = 60000000, 60000000
local now, lease = server_time(), tonumber(ARGV[1])
local too_long = redis.call('ZRANGEBYSCORE', key.in_flight, '(' .. int(now + lease + MARGIN), '+inf')
for _, id in ipairs(too_long) do redis.call('ZADD', key.in_flight, int(now + lease), id) end
local pause_end = tonumber(redis.call('HGET', key.meta, 'pb_until') or 0)
if pause_end > now + LONGEST_PAUSE then redis.call('HSET', key.meta, 'pb_until', int(now + LONGEST_PAUSE)) end
return #too_long
