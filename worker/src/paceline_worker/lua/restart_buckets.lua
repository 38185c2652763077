-- Distrust every bucket: the server's clock jumped. Each starts empty, so sending stops for one spacing.
--
-- KEYS  1 root
-- reply the new epoch
-- keys  meta, due
-- Slots granted before mean nothing after, and neither do the times of the due index: every account is looked at now.
--@include keys.lua
redis.call('HINCRBY', key.meta, 'jumps', 1)
local now = int(server_time())
for _, name in ipairs(redis.call('SMEMBERS', key.accounts)) do redis.call('ZADD', key.due, now, name) end
return redis.call('HINCRBY', key.meta, 'epoch', 1)
