-- Convert the state of an earlier release to the present form, some accounts at a time. No worker may be alive.
--
-- KEYS  1 root
-- ARGV  1 verb, then
--         look:  nothing
--         page:  2 cursor ('0' first)
--         done:  nothing
-- reply look: { schema ('' not told), schema of this release, accounts, workers alive }
--       page: next cursor, '0' after the last page
--       done: the schema that was written down
-- keys  meta, accounts, workers, a:<acct> and its sets, lanes, o:<id> of operations set aside, fl, timers, due
-- Schema 1 had the operations in flight by account, their number in meta, and one index for slots, timers and leases. What it left
-- of a worker that was killed is kept: those leases run out under the new scripts.
-- Schema 2 had all fields of an account in one hash, and two sets of lanes that may send.
-- Replayable: what has been converted is not there to be converted again.
--@include shared/account.lua
--@include shared/account_fields.lua
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

-- The fields of an account, each to where it belongs now.
local function part_fields(name)
  local k = key.account(name)
  for field, value in pairs(whole(k)) do
    if home_of(name, field) ~= k or value == DEFAULTS[field] then
      write_account(name, field, value)
      redis.call('HDEL', k, field)
    end
  end
end

local function join_ready(k)
  local urgent, bulk = redis.call('ZRANGE', k .. ':rt', 0, -1, 'WITHSCORES'), redis.call('ZRANGE', k .. ':rb', 0, -1, 'WITHSCORES')
  for i = 1, #urgent, 2 do redis.call('ZADD', k .. ':r', urgent[i + 1], urgent[i]) end
  for i = 1, #bulk, 2 do redis.call('ZADD', k .. ':r', 'NX', int(tonumber(bulk[i + 1]) + BULK), bulk[i]) end
  redis.call('DEL', k .. ':rt', k .. ':rb')
end

-- How many recipients of an account have an operation in back-off before them, and which operations those are.
local function mark_set_aside(name)
  local number = 0
  for _, sender in ipairs(redis.call('SMEMBERS', key.account(name) .. ':ln')) do
    for _, id in ipairs(redis.call('HVALS', key.lane(name, sender) .. ':h')) do
      number = number + 1
      redis.call('HSET', key.operation(id), field.o.set_aside, '1')
    end
  end
  redis.call('HSET', key.account(name), 'aside', number)
end

local function convert(name)
  local k = key.account(name)
  part_fields(name)
  join_ready(k)
  mark_set_aside(name)
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
