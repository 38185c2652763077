-- Open, seal and read a campaign.
--
-- KEYS  1 root
-- ARGV  1 verb, 2 campaign name, then
--         open:  3 common fields (JSON object of strings: see `common` in record.py), 4 digest of what must not change
--         seal:  3 rows offered, 4 rows invalid
--         read:  nothing more
-- reply open: 'opened' | 'continued' | 'different' | 'unknown account'   seal: 1   read: flat hash, `now` added; empty when unknown
-- keys  c:<name>, campaigns, a:<acct> (read)
--@include keys.lua
local verb, name = ARGV[1], ARGV[2]
local c = key.campaign(name)

if verb == 'open' then
  local common = cjson.decode(ARGV[3])
  if redis.call('EXISTS', key.account(common.a)) == 0 then return 'unknown account' end
  local digest = redis.call('HGET', c, 'digest')
  if digest and digest ~= ARGV[4] then return 'different' end
  if digest then
    -- Continued another day: all rows, old and new, are valid as long as was asked for last.
    redis.call('HSET', c, 'vu', common.vu, 'sealed', '0')
    if common.ur then redis.call('HSET', c, 'ur', common.ur) end  -- one of the previous release has none
    return 'continued'
  end
  for field, value in pairs(common) do redis.call('HSET', c, field, value) end
  redis.call('HSET', c, 'digest', ARGV[4], 'created', int(server_time()), 'sealed', '0')
  redis.call('SADD', key.campaigns, name)
  return 'opened'
elseif verb == 'seal' then
  redis.call('HSET', c, 'sealed', '1', 'offered', ARGV[3], 'invalid', ARGV[4])
  return 1
else
  local all = redis.call('HGETALL', c)
  if #all > 0 then
    all[#all + 1] = 'now'
    all[#all + 1] = int(server_time())
  end
  return all
end
