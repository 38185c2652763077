-- Write the seal of what a campaign's operations share.
--
-- KEYS  1 root
-- ARGV  1 campaign, 2 seal
-- reply 1 when it was written, 0 when the campaign has one, or nothing of it was begun
-- keys  c:<name>
--@include keys.lua
local c = key.campaign(ARGV[1])
if redis.call('HDEL', c, 'unsealed') == 0 then return 0 end
return redis.call('HSETNX', c, field.c.seal, ARGV[2])
