-- Read what the exporter shows, and change nothing: accounts in pages, then what concerns all of them.
--
-- KEYS  1 root
-- ARGV  1 verb, then
--         names:    2 cursor ('0' first), 3 about how many       -> { next cursor ('0': that was the last), names }
--         accounts: 2 most lanes and campaigns to visit, 3 names -> { server time, how many of the names were read, JSON of each account }
--         fleet:                                                 -> JSON {now, memory, memory_limit, aof_enabled, aof_last_write_ok, inbox,
--                                                                   in_flight, accounts, breaker_open, workers}
--       An account is {name, account, counts, backlog, sending, campaigns}: `account` its hashes as they are stored, with interval_now,
--       variation_now, next_slot and quota_use as look.lua tells them; `counts` a hash as it is stored.
--       The backlog of an account is {transactional, single, parked, in_campaigns, timed, in_flight, held, dead, oldest_at,
--       transactional_until, single_until}: since when the oldest that may leave is there, and until when the last of both lists are valid.
--       What an account is sending is {senders, capped, capped_rate, bulk_only, slot_from}: senders that may send now, those of them that have
--       nothing but campaigns with a rate of their own, calls a second that such rates allow in all, whether nothing but bulk work may leave,
--       from when the account's pauses and quotas allow a slot.
--       A row of a campaign is {name, campaign, waiting, timed}.
--       Python makes values of these replies (exporter/rows.py); a test compares the names.
-- keys  accounts, a:<acct> and its sets, lanes, c:<name>, o:<id> of heads and tails, workers, meta, inbox; read only
-- Each account is read in one step, so its books balance. Cost: O(senders + open campaigns) of the accounts of a page.
--@include keys.lua
--@include slots.lua
--@include zones.lua
--@include openings.lua
local verb = ARGV[1]
local now = server_time()

local ACCOUNT = {
  'interval', 'slow', 'slow_at', 'ramp', 'variation', 'suspended', 'paused_until', 'probe', 'recheck', 'breaker', 'taken', 'info_every',
  'reserve', 'quotas', 'learn', 'heard', 'spread', 'next', 'floor',
}
local ABOUT = { 'pacing', 'credits_left', 'expires_at', 'info_read_at' }
local COUNTS = { 'received', 'duplicate', 'refused', 'inbox', 'accepted', 'rejected', 'expired', 'cancelled', 'dead', 'held', 'suppressed' }
local CAMPAIGN = {
  field.c.sender, 'hold', 'sealed', 'received', 'duplicate', 'refused', 'inbox', 'written', 'accepted', 'rejected', 'expired', 'cancelled', 'dead',
  'held', 'suppressed', 'recent', field.c.valid_until, 'cap', 'cap_next', 'window', 'opens', 'closes', 'openings', 'zoned',
  field.c.weighted_senders, 'receipt_sent', 'receipt_not_sent', 'receipt_received', 'receipt_read',
}

local function accepted_at(id) return id and tonumber(redis.call('HGET', key.operation(id), field.o.accepted_at) or nil) end
local function valid_until(id) return id and redis.call('HGET', key.operation(id), field.o.valid_until) or nil end
local function older(a, b) return a and b and math.min(a, b) or a or b end

-- Of a campaign in its recipients' hours: how many wait in a lane, and the oldest of the heads of its sets of zones.
local function in_zones(lane, campaign)
  local length, oldest = 0, nil
  for z, waiting in pairs(zone.waiting(lane, campaign)) do
    length = length + waiting
    oldest = older(oldest, accepted_at(redis.call('LINDEX', zone.list(lane, campaign, z), 0)))
  end
  return length, oldest
end

-- From when a campaign that is not on hold may send; nil: its window is closed. Its dispatcher may not have attended to it yet.
local function open_since(c)
  if not c.window then return 0 end
  local opens, closes = tonumber(c.opens or 0), tonumber(c.closes or 0)
  if closes > now then return opens <= now and opens or nil end
  local from = tonumber((next_opening(c.openings or '', now)))
  return from and from <= now and from or nil
end

-- The bulk campaigns of an account that are not complete, and what of them may leave, by sender.
local function campaigns_of(name, k)
  local rows, sending, waiting, timed, oldest = {}, {}, 0, 0, nil
  for _, campaign in ipairs(redis.call('SMEMBERS', k .. ':c')) do
    local c = fields(key.campaign(campaign), CAMPAIGN)
    local sender = c.sender
    if sender then
      local lane = key.lane(name, sender)
      local list = key.bulk(lane, campaign)
      local length, later = redis.call('LLEN', list), redis.call('ZCARD', key.campaign(campaign) .. ':tm')
      local first
      if c.zoned then length, first = in_zones(lane, campaign) end

      for other in string.gmatch(c.weighted_senders or '', '(%+%d+):') do
        if other ~= sender then
          local more = c.zoned and in_zones(key.lane(name, other), campaign) or redis.call('LLEN', key.bulk(key.lane(name, other), campaign))
          length = length + more
          if more > 0 and not c.hold then sending[other] = sending[other] or { free = true, rate = 0 } end
        end
      end
      local woken = redis.call('ZSCORE', k .. ':tm', 'c:0:' .. campaign) and 1 or 0
      waiting, timed = waiting + length, timed + later - woken
      rows[#rows + 1] = { name = campaign, campaign = c, waiting = length, timed = later }

      local since = length > 0 and not c.hold and (c.zoned and zone.is_open(lane, campaign, now) and 0 or open_since(c))
      if c.zoned and since ~= 0 then since = nil end
      if since then
        local head = first or accepted_at(redis.call('LINDEX', list, 0))
        oldest = older(oldest, head and math.max(head, since))
        local own = sending[sender] or { free = false, rate = 0 }
        if c.cap then own.rate = own.rate + 1000000 / tonumber(c.cap) else own.free = true end
        sending[sender] = own
      end
    end
  end
  return rows, sending, waiting, timed, oldest
end

-- The hashes of an account, with what its limits and 429s make of them now; nil when there is none. Then from when its pauses and
-- quotas allow a slot.
local function account_of(name)
  local k = key.account(name)
  local a = fields(k, ACCOUNT)
  if not a.interval then return nil end
  for field, value in pairs(fields(key.about(name), ABOUT)) do a[field] = value end

  local _, interval, variation = slots.present(a, now)
  a.interval_now, a.variation_now = int(interval), int(variation)
  local quotas = slots.quotas(a.quotas)
  a.quota_use = slots.quota_use(k, quotas, now)
  local slot_from = slots.next({ key = k, next = 0, floor = 0, quotas = quotas }, math.max(now, tonumber(a.paused_until or 0)))
  a.next_slot = int(math.max(slot_from, tonumber(a.next or 0), tonumber(a.floor or 0)))
  return a, slot_from
end

local visited = 0

-- A number that is absent is 0: most accounts have few of them, and thousands are read at once.
local function some(number) return number > 0 and number or nil end

local function row_of(name)
  local k = key.account(name)
  local a, slot_from = account_of(name)
  if not a then return nil end

  local rows, sending, in_campaigns, timed, oldest = campaigns_of(name, k)
  local transactional, single, parked, in_flight, may_send, capped, capped_rate = 0, 0, 0, 0, 0, 0, 0
  local last_transactional, last_single = nil, nil
  local due_transactional = false
  local senders = redis.call('SMEMBERS', k .. ':ln')
  for _, sender in ipairs(senders) do
    local lane = key.lane(name, sender)
    local urgent, bulk = redis.call('LLEN', lane .. ':t'), redis.call('LLEN', key.bulk(lane, '-'))
    local own = sending[sender]
    if urgent > 0 then
      oldest = older(oldest, accepted_at(redis.call('LINDEX', lane .. ':t', 0)))
      last_transactional = valid_until(redis.call('LINDEX', lane .. ':t', -1))
    end
    if bulk > 0 then
      oldest = older(oldest, accepted_at(redis.call('LINDEX', key.bulk(lane, '-'), 0)))
      last_single = valid_until(redis.call('LINDEX', key.bulk(lane, '-'), -1))
    end
    if redis.call('EXISTS', lane .. ':h') == 1 then
      for _, pair in ipairs(redis.call('HKEYS', lane .. ':h')) do parked = parked + redis.call('LLEN', lane .. ':k:' .. pair) end
    end
    transactional, single = transactional + urgent, single + bulk
    local calling, paused_until = unpack(redis.call('HMGET', lane, field.l.in_flight, field.l.paused_until))
    if calling then in_flight = in_flight + 1 end
    if (urgent > 0 or bulk > 0 or own) and tonumber(paused_until or 0) <= now then
      may_send = may_send + 1
      due_transactional = due_transactional or urgent > 0
      if urgent == 0 and bulk == 0 and not own.free then
        capped, capped_rate = capped + 1, capped_rate + own.rate
      end
    end
  end
  visited = visited + #senders + #rows
  return cjson.encode({
    name = name, account = a, counts = fields(k .. ':n', COUNTS), campaigns = rows,
    backlog = {
      transactional = some(transactional), single = some(single), parked = some(parked), in_campaigns = some(in_campaigns),
      timed = some(timed + redis.call('ZCARD', k .. ':tm')), in_flight = some(in_flight),
      held = some(redis.call('ZCARD', k .. ':held')), dead = some(redis.call('ZCARD', k .. ':dead')),
      oldest_at = oldest and int(oldest) or nil, transactional_until = last_transactional, single_until = last_single,
    },
    sending = {
      senders = may_send, capped = capped, capped_rate = string.format('%.17g', capped_rate), bulk_only = not due_transactional,
      slot_from = int(slot_from),
    },
  })
end

if verb == 'names' then
  return redis.call('SSCAN', key.accounts, ARGV[2], 'COUNT', ARGV[3])
elseif verb == 'accounts' then
  local rows, most, read = {}, tonumber(ARGV[2]), 0
  for i = 3, #ARGV do
    rows[#rows + 1] = row_of(ARGV[i])
    read = read + 1
    visited = visited + 1
    if visited >= most then break end
  end
  return { int(now), read, rows }
end
-- A managed server may forbid INFO: then these are not told.
local function info(section, pattern)
  local text = redis.pcall('INFO', section)
  return type(text) == 'string' and string.match(text, pattern) or nil
end
local appends = info('persistence', '[\r\n]aof_enabled:(%d)')

return cjson.encode({
  now = int(now), memory = info('memory', '[\r\n]used_memory:(%d+)'), memory_limit = info('memory', '[\r\n]maxmemory:(%d+)'),
  aof_enabled = appends, aof_last_write_ok = appends and (info('persistence', '[\r\n]aof_last_write_status:ok') and '1' or '0'),
  inbox = redis.call('ZCARD', key.inbox), in_flight = redis.call('ZCARD', key.in_flight), accounts = redis.call('SCARD', key.accounts),
  breaker_open = redis.call('HGET', key.meta, 'pb_until') and '1' or '0', workers = redis.call('HVALS', key.workers),
})
