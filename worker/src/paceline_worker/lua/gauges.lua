-- Read what the exporter shows, and change nothing: accounts in pages, then what concerns all of them.
--
-- KEYS  1 root
-- ARGV  1 verb, then
--         names:    2 cursor ('0' first), 3 about how many       -> { next cursor ('0': that was the last), names }
--         accounts: 2 most lanes and campaigns to visit, 3 names -> { server time, how many of the names were read, rows }
--         fleet:                                                 -> { server time, memory used, memory limit (0 none), '1' AOF on,
--                   '1' its last write went well, inbox records, operations in flight, accounts, '1' the provider's breaker is open,
--                   values of `workers` }
--       A row of an account that is there:
--         { name, values of ACCOUNT, values of COUNTS,
--           { transactional, single bulk, parked, in campaigns, scheduled, in flight, held, dead letters },
--           { accepted when, the oldest that may leave ('' none); valid until, the last transactional and the last single bulk one },
--           { senders that may send now, those of them that have nothing but campaigns with a rate of their own, calls a second that
--             such rates allow in all, '1' when nothing but bulk work may leave, from when the account's pauses and quotas allow a slot },
--           { N, window (us), used, per quota, in one list }, rows of campaigns }
--       A row of an open campaign: { name, sender, values of CAMPAIGN, waiting, scheduled }
-- keys  accounts, a:<acct> and its sets, lanes, c:<name>, o:<id> of heads and tails, workers, meta, inbox; read only
-- Each account is read in one step, so its books balance. Cost: O(senders + open campaigns) of the accounts of a page.
--@include keys.lua
--@include zones.lua
local verb = ARGV[1]
local now = server_time()

-- `readings.py` names them in the same order: those of a:<acct>, then those of about:<acct>.
local ACCOUNT = {
  'interval', 'slow', 'slow_at', 'ramp', 'variation', 'suspended', 'paused_until', 'probe', 'recheck', 'breaker', 'taken', 'info_every',
  'reserve', 'quotas', 'learn', 'heard', 'spread',
}
local ABOUT = { 'pacing', 'credits_left', 'expires_at', 'info_read_at' }
local PAUSED_UNTIL, QUOTAS = 7, 14
local COUNTS = { 'received', 'duplicate', 'refused', 'inbox', 'accepted', 'rejected', 'expired', 'cancelled', 'dead', 'held', 'suppressed' }
local CAMPAIGN = {
  field.c.sender, 'hold', 'sealed', 'received', 'duplicate', 'refused', 'inbox', 'written', 'accepted', 'rejected', 'expired', 'cancelled', 'dead',
  'held', 'suppressed', 'recent', 'vu', 'cap', 'cap_next', 'window', 'opens', 'closes', 'openings', 'zoned', 'fs',
  'receipt_sent', 'receipt_not_sent', 'receipt_received', 'receipt_read',
}
local at = {}
for place, name in ipairs(CAMPAIGN) do at[name] = place end

local function accepted_at(id) return id and tonumber(redis.call('HGET', key.operation(id), field.o.accepted_at) or nil) end
local function valid_until(id) return id and redis.call('HGET', key.operation(id), field.o.valid_until) or '' end
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
  if not c[at.window] then return 0 end
  local opens, closes = tonumber(c[at.opens] or 0), tonumber(c[at.closes] or 0)
  if closes > now then return opens <= now and opens or nil end
  for from, till in string.gmatch(c[at.openings] or '', '(%d+)%-(%d+)') do
    if tonumber(till) > now then return tonumber(from) <= now and tonumber(from) or nil end
  end
  return nil
end

-- The bulk campaigns of an account that are not complete, and what of them may leave, by sender.
local function campaigns_of(name, k)
  local rows, sending, waiting, timed, oldest = {}, {}, 0, 0, nil
  for _, campaign in ipairs(redis.call('SMEMBERS', k .. ':c')) do
    local c = redis.call('HMGET', key.campaign(campaign), unpack(CAMPAIGN))
    local sender = c[at[field.c.sender]]
    if sender then
      local lane = key.lane(name, sender)
      local list = key.bulk(lane, campaign)
      local length, later = redis.call('LLEN', list), redis.call('ZCARD', key.campaign(campaign) .. ':tm')
      local first
      if c[at.zoned] then length, first = in_zones(lane, campaign) end
      for other in string.gmatch(c[at.fs] or '', '(%+%d+):') do
        if other ~= sender then
          local more = c[at.zoned] and in_zones(key.lane(name, other), campaign) or redis.call('LLEN', key.bulk(key.lane(name, other), campaign))
          length = length + more
          if more > 0 and not c[at.hold] then sending[other] = sending[other] or { free = true, rate = 0 } end
        end
      end
      local woken = redis.call('ZSCORE', k .. ':tm', 'c:0:' .. campaign) and 1 or 0
      waiting, timed = waiting + length, timed + later - woken
      rows[#rows + 1] = { campaign, sender, c, length, later }
      local since = length > 0 and not c[at.hold] and (c[at.zoned] and zone.is_open(lane, campaign, now) and 0 or open_since(c))
      if c[at.zoned] and since ~= 0 then since = nil end
      if since then
        local head = first or accepted_at(redis.call('LINDEX', list, 0))
        oldest = older(oldest, head and math.max(head, since))
        local own = sending[sender] or { free = false, rate = 0 }
        if c[at.cap] then own.rate = own.rate + 1000000 / tonumber(c[at.cap]) else own.free = true end
        sending[sender] = own
      end
    end
  end
  return rows, sending, waiting, timed, oldest
end

-- How many slots lie within a quota's window: the log is in order.
local function used_of(log, span)
  local length = redis.call('LLEN', log)
  local low, high = 0, length
  while low < high do
    local middle = math.floor((low + high) / 2)
    if tonumber(redis.call('LINDEX', log, middle)) <= now - span then low = middle + 1 else high = middle end
  end
  return length - low
end

-- Quotas, and from when they and the account's pauses allow a slot.
local function quotas_of(k, text, paused_until)
  local flat, from = {}, math.max(now, tonumber(paused_until or 0))
  for n, window, variation in string.gmatch(text or '', '(%d+):(%d+):(%d+)') do
    local span = tonumber(window) + tonumber(variation)
    local log = k .. ':q:' .. window
    flat[#flat + 1], flat[#flat + 2], flat[#flat + 3] = tonumber(n), int(span), used_of(log, span)
    local nth_last = redis.call('LINDEX', log, -tonumber(n))
    if nth_last then from = math.max(from, tonumber(nth_last) + span) end
  end
  return flat, from
end

local visited = 0

local function row_of(name)
  local k = key.account(name)
  local a = redis.call('HMGET', k, unpack(ACCOUNT))
  if not a[1] then return nil end
  for _, value in ipairs(redis.call('HMGET', key.about(name), unpack(ABOUT))) do a[#a + 1] = value end
  local rows, sending, in_campaigns, timed, oldest = campaigns_of(name, k)
  local transactional, single, parked, in_flight, may_send, capped, capped_rate = 0, 0, 0, 0, 0, 0, 0
  local last_transactional, last_single = '', ''
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
  local quotas, from = quotas_of(k, a[QUOTAS], a[PAUSED_UNTIL])
  timed = timed + redis.call('ZCARD', k .. ':tm')
  local numbers = {
    transactional, single, parked, in_campaigns, timed, in_flight, redis.call('ZCARD', k .. ':held'),
    redis.call('ZCARD', k .. ':dead'),
  }
  return {
    name, a, redis.call('HMGET', k .. ':n', unpack(COUNTS)), numbers, { oldest and int(oldest) or '', last_transactional, last_single },
    { may_send, capped, string.format('%.17g', capped_rate), due_transactional and '0' or '1', int(from) }, quotas, rows,
  }
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
local function info(section, pattern) return string.match(redis.call('INFO', section), pattern) end
local breaker, in_flight = redis.call('HGET', key.meta, 'pb_until'), redis.call('ZCARD', key.in_flight)
return {
  int(now), info('memory', '[\r\n]used_memory:(%d+)') or '0', info('memory', '[\r\n]maxmemory:(%d+)') or '0',
  info('persistence', '[\r\n]aof_enabled:(%d)') or '0', info('persistence', '[\r\n]aof_last_write_status:ok') and '1' or '0',
  redis.call('ZCARD', key.inbox), in_flight, redis.call('SCARD', key.accounts), breaker and '1' or '0',
  redis.call('HVALS', key.workers),
}
