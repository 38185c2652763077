-- Read on in a stream of outcomes, and change nothing.
--
-- KEYS  1 root
-- ARGV  1 campaign name, or '' for the stream of all outcomes
--       2 where to begin: '-' the oldest kept, a server time (ms), or '(' and the last entry handled: what is after it;
--         '+' reads the newest entries instead, in their order
--       3 most entries
-- reply { 'entries', '1' when the campaign is complete, JSON list of {entry id, flat fields} }
--       { 'trimmed', oldest entry kept or '' }   what follows the last entry handled is not all there any more, as far as can be
--                                                known; or all of the campaign's expired
--       { 'unknown campaign' }
--       { 'unknown place' }                      the last entry handled is that of all shards together, and this stream is of one
-- keys  outcomes, campaigns, c:<name>, c:<name>:out, all read only. Cost: O(entries read).
--@include keys.lua
local name, begin = ARGV[1], ARGV[2]
local stream, complete = key.outcomes, false

if name ~= '' then
  if redis.call('SISMEMBER', key.campaigns, name) == 0 then return { 'unknown campaign' } end
  stream = key.campaign(name) .. ':out'
  complete = redis.call('HEXISTS', key.campaign(name), 'completed_at') == 1
end

if string.sub(begin, 1, 2) == '(s' then return { 'unknown place' } end

if begin == '+' then
  local newest, entries = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', ARGV[3]), {}
  for i = #newest, 1, -1 do entries[#entries + 1] = newest[i] end
  return { 'entries', complete and '1' or '0', #entries == 0 and '[]' or cjson.encode(entries) }
end

-- Streams lose their oldest entries first. While an entry that is not later than the last one handled is kept, nothing after it is lost.
-- That of all the trimmed ones the last one was that very entry cannot be told from a loss (Redis 6.2 counts nothing, and later
-- servers do not note what was trimmed in `max-deleted-entry-id`), and is taken for one.
local handled = string.match(begin, '^%((.*)')
local lost = handled and #redis.call('XRANGE', stream, '-', handled, 'COUNT', 1) == 0
-- A complete campaign has its final entry, until the stream expires as a whole.
if lost or (complete and redis.call('EXISTS', stream) == 0) then
  local oldest = redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)[1]
  return { 'trimmed', oldest and oldest[1] or '' }
end
-- JSON: clients without a parser in C read it several times faster than nested replies.
return { 'entries', complete and '1' or '0', cjson.encode(redis.call('XRANGE', stream, begin, '+', 'COUNT', ARGV[3])) }
