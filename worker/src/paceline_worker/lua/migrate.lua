-- Convert the state of the previous release to the present form, some accounts at a time. No worker may be alive.
--
-- KEYS  1 root
-- ARGV  1 verb, then
--         look:  nothing
--         page:  2 cursor ('0' first)
--         done:  nothing
-- reply look: { schema ('' not told), schema of this release, accounts, workers alive }
--       page: next cursor, '0' after the last page
--       done: the schema that was written down
-- keys  meta, accounts, workers, a:<acct>, a:<acct>:fl (of schema 1), a:<acct>:tm, a:<acct>:sp, fl, timers, due
-- Schema 1 had the operations in flight by account, their number in meta, and one index for slots, timers and leases. What it left
-- of a worker that was killed is kept: those leases run out under the new scripts.
-- Replayable: what has been converted is not there to be converted again.
--@include keys.lua
--@include sources.lua
--@include meta.lua
--@include work.lua
--@include bucket.lua
--@include breaker.lua
--@include budgets.lua
--@include campaigns.lua
--@include lanes.lua
local verb = ARGV[1]
local now = server_time()
local PAGE = 50

local function workers_alive()
  local alive = 0
  for _, value in ipairs(redis.call('HVALS', key.workers)) do
    if tonumber(string.match(value, '^%d+|(%d+)')) >= now then alive = alive + 1 end
  end
  return alive
end

local function convert(name)
  local k = key.account(name)
  local flying = redis.call('ZRANGE', k .. ':fl', 0, -1, 'WITHSCORES')
  for i = 1, #flying, 2 do redis.call('ZADD', key.in_flight, flying[i + 1], flying[i]) end
  redis.call('DEL', k .. ':fl')
  for _, timers in ipairs({ ':tm', ':sp' }) do
    local first = redis.call('ZRANGE', k .. timers, 0, 0, 'WITHSCORES')[2]
    if first then redis.call('ZADD', key.timers, 'LT', first, name) end
  end
  reschedule(load_account(name, now, current_epoch()), now)
end

if verb == 'look' then
  return { redis.call('HGET', key.meta, 'schema') or '', SCHEMA, redis.call('SCARD', key.accounts), workers_alive() }
elseif verb == 'page' then
  local page = redis.call('SSCAN', key.accounts, ARGV[2], 'COUNT', PAGE)
  for _, name in ipairs(page[2]) do convert(name) end
  return page[1]
end
redis.call('HDEL', key.meta, 'inflight')
redis.call('HSET', key.meta, 'schema', SCHEMA)
return SCHEMA
