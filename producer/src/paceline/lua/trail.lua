-- The trail: what people did, one entry per act; nothing of ours changes or deletes an entry but the bound of its length.
--
-- KEYS  1 root
-- ARGV  1 verb, then
--         tell: 2 most entries kept (about), then field, value ...
--         read: 2 'old' (oldest first) or 'new' (newest first), 3 where to begin: '-' or '+', a server time (ms), or '(' and an entry id,
--               4 most entries
-- reply tell: id of the entry     read: JSON list of {entry id, flat fields}
-- keys  trail. Not replayable: a lost reply may leave two entries of one act.
--@include keys.lua
if ARGV[1] == 'tell' then
  local flat = {}
  for i = 3, #ARGV do flat[#flat + 1] = ARGV[i] end
  return redis.call('XADD', key.trail, 'MAXLEN', '~', ARGV[2], '*', unpack(flat))
end
local newest_first = ARGV[2] == 'new'
local entries = newest_first and redis.call('XREVRANGE', key.trail, ARGV[3], '-', 'COUNT', ARGV[4])
  or redis.call('XRANGE', key.trail, ARGV[3], '+', 'COUNT', ARGV[4])
return #entries > 0 and cjson.encode(entries) or '[]'
