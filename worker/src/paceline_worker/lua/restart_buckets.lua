-- Distrust every bucket: the server's clock jumped. Each starts empty, so sending stops for one spacing.
--
-- KEYS  1 root
-- ARGV  1 cursor: '0' the first time, then what the last reply said
-- reply next cursor; '0' when all accounts have been seen
-- keys  meta, due, timers, accounts
-- Slots granted before mean nothing after, and neither do the times of the indexes: every account is looked at now, some hundred
-- of them with each call.
--@include keys.lua
local PAGE = 500
if ARGV[1] == '0' then
  redis.call('HINCRBY', key.meta, 'jumps', 1)
  redis.call('HINCRBY', key.meta, 'epoch', 1)
end
local now = int(server_time())
local page = redis.call('SSCAN', key.accounts, ARGV[1], 'COUNT', PAGE)
for _, name in ipairs(page[2]) do
  redis.call('ZADD', key.due, now, name)
  redis.call('ZADD', key.timers, now, name)
end
return page[1]
