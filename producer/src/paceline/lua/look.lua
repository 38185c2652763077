-- Read, and change nothing: operations, accounts, the fleet. One script, so that Python names no key.
--
-- KEYS  1 root
-- ARGV  1 verb, then
--         operation: 2 id                 -> JSON {operation, account, lanes, campaign, position, not_before, backoff_until, follows,
--                                            suppressed}, or '' when unknown
--         record:    2 record id, 3 id    -> JSON {waiting, refused, known, created_here}, cheap enough to poll
--         accounts:                       -> account names
--         account:   2 name               -> JSON {account, now, counts, lanes, in_flight, timed, held}: waiting operations is counted from the
--                                            lists, and the key is never told; or '' when unknown
--         campaign:  2 name               -> JSON {campaign, now, account, counts, lanes, timed, first_timed, last_timed}, or '' when unknown
--         campaigns:                      -> campaign names
--         heads:     2 ... campaigns      -> { name, created (us), account, what holds it, when it was complete (us) } of each
--         known:     2 ... ids            -> how many of them are known
--         find:      2 cursor, 3 recipient or target, 4 account or '', 5 how many keys to look at -> { next cursor, ids }
--         fleet:                          -> JSON {workers, capacity, in_flight, inbox, accounts, unreachable, unreachable_why,
--                                            provider_breaker_until, now}
--       Python makes values of these replies (state/pictures.py); a test compares the names. `operation`, `campaign` and `account` are
--       hashes as they are stored. A lane is {sender, transactional, bulk, parked, in_flight, paused_until, paused_because, call_time,
--       oldest_at, ramp_began, ramp_day, ramp_sent, sources}, a source {name, waiting, timed, zones} with fields of its campaign, zones a list of {id, words, openings, opens,
--       closes, waiting}, an account's quota_use a list of {n, window, used, oldest, newest}.
-- keys  all, read only. Cost: O(senders + open campaigns) for an account; O(lane) to find one operation's position.
--@include listed.lua
--@include slots.lua
--@include zones.lua
local verb = ARGV[1]
local now = server_time()

local function as_table(flat)
  local out = {}
  for i = 1, #flat, 2 do out[flat[i]] = flat[i + 1] end
  return out
end

local function older(oldest, id)
  local t = id and redis.call('HGET', key.operation(id), field.o.accepted_at)
  if t and (not oldest or tonumber(t) < tonumber(oldest)) then return t end
  return oldest
end

local CAMPAIGN_FIELDS = { field.c.sender, 'hold', 'hold_why', 'hold_at', 'weight', 'window', 'openings', 'opens', 'closes', 'cap', 'cap_next', 'rate', 'ramp', 'zoned', field.c.weighted_senders, 'failed', 'on_failure' }

-- The sets of zones of a campaign with work in a lane: names, openings, and how many wait.
local function zones_of(lane, name)
  local home, sets = key.campaign(name) .. ':z', {}
  for z, waiting in pairs(zone.waiting(lane, name)) do
    local own = redis.call('HMGET', home, z .. ':words', z .. ':openings', z .. ':opens', z .. ':closes')
    sets[#sets + 1] = {
      id = z, words = own[1] or '', openings = own[2] or '', opens = own[3] or nil, closes = own[4] or nil, waiting = waiting,
      oldest = redis.call('LINDEX', zone.list(lane, name, z), 0) or nil,
    }
  end
  return sets
end

-- The bulk sources of an account by sender: single operations ('-'), and the campaigns that are not complete.
local function sources_of(account)
  local by_sender = {}
  for _, name in ipairs(redis.call('SMEMBERS', key.account(account) .. ':c')) do
    local c = fields(key.campaign(name), CAMPAIGN_FIELDS)
    local first = c.sender
    for sender in string.gmatch(c.weighted_senders or (c.sender and c.sender .. ':') or '', '(%+%d+):') do
      if sender ~= first then
        local shared = c
        c = {}
        for field, value in pairs(shared) do c[field] = value end
        c.sender, c.zones = sender, nil
      end

      local timers, list = key.campaign(name) .. ':tm', key.bulk(key.lane(account, c.sender), name)
      c.name, c.waiting, c.timed = name, redis.call('LLEN', list), sender == first and redis.call('ZCARD', timers) or 0
      c.fails = string.find(c.failed or '', ' ' .. sender .. ' ', 1, true) and redis.call('HGET', key.campaign(name), 'failed:' .. sender) or nil
      c.woken = sender == first and redis.call('ZSCORE', key.account(account) .. ':tm', 'c:0:' .. name) and true or false
      c.oldest = redis.call('LINDEX', list, 0) or nil

      if c.zoned then
        c.zones = zones_of(key.lane(account, c.sender), name)
        for _, one in ipairs(c.zones) do c.waiting = c.waiting + one.waiting end
        c.oldest = c.zones[1] and c.zones[1].oldest
      end

      by_sender[c.sender] = by_sender[c.sender] or {}
      table.insert(by_sender[c.sender], c)
    end
  end
  return by_sender
end

-- Per sender: transactional waiting, bulk waiting per source, parked behind a back-off, and the oldest that heads a list.
local function lanes_of(account)
  local lanes, campaigns = {}, sources_of(account)
  local senders = redis.call('SMEMBERS', key.account(account) .. ':ln')
  local known = {}
  for _, sender in ipairs(senders) do known[sender] = true end
  for sender in pairs(campaigns) do
    if not known[sender] then senders[#senders + 1] = sender end  -- no operation was accepted yet
  end

  for _, sender in ipairs(senders) do
    local lane = key.lane(account, sender)
    local state = redis.call('HMGET', lane, field.l.in_flight, field.l.paused_until, field.l.paused_because, field.l.call_time, field.l.ramp_began, field.l.ramp_day,
      field.l.ramp_sent)

    local sources, bulk, parked = campaigns[sender] or {}, 0, 0
    local oldest = older(nil, redis.call('LINDEX', lane .. ':t', 0))
    sources[#sources + 1] = {
      name = '-', waiting = redis.call('LLEN', key.bulk(lane, '-')), timed = 0, oldest = redis.call('LINDEX', key.bulk(lane, '-'), 0) or nil,
    }
    for _, one in ipairs(sources) do
      bulk = bulk + one.waiting
      oldest = older(oldest, one.oldest)
    end

    for _, pair in ipairs(redis.call('HKEYS', lane .. ':h')) do parked = parked + redis.call('LLEN', lane .. ':k:' .. pair) end
    lanes[#lanes + 1] = {
      paused_because = state[3] or nil, sender = sender, transactional = redis.call('LLEN', lane .. ':t'), bulk = bulk, sources = sources, parked = parked,
      oldest_at = oldest, in_flight = state[1] or nil, paused_until = state[2] or nil, call_time = state[4] or nil,
      ramp_began = state[5] or nil, ramp_day = state[6] or nil, ramp_sent = state[7] or nil,
    }
  end
  return lanes
end

-- Each sender has one operation in flight at the most.
local function in_flight_of(lanes)
  local number = 0
  for _, lane in ipairs(lanes) do if lane.in_flight then number = number + 1 end end
  return number
end

-- Operations of an account that wait for a time: its timers, less those that wake a campaign, and its campaigns' timers.
local function timed_of(account, lanes)
  local timed = redis.call('ZCARD', key.account(account) .. ':tm')
  for _, lane in ipairs(lanes) do
    for _, one in ipairs(lane.sources) do timed = timed + one.timed - (one.woken and 1 or 0) end
  end
  return timed
end

local function account_of(name)
  local a = as_table(redis.call('HGETALL', key.account(name)))
  if not a.interval then return nil end
  a.name = name
  for field, value in pairs(as_table(redis.call('HGETALL', key.about(name)))) do a[field] = value end
  local slowness, interval, variation = slots.present(a, now)
  a.slow, a.interval_now, a.variation_now = int(slowness), int(interval), int(variation)
  local quotas = slots.quotas(a.quotas)
  local bucket = { key = key.account(name), next = tonumber(a.next or now), floor = tonumber(a.floor or 0), quotas = quotas }
  a.next_slot = int(slots.next(bucket, math.max(now, tonumber(a.paused_until or 0))))
  a.quota_use = slots.quota_use(bucket.key, quotas, now)
  return a
end

-- Its place in the list it waits in, from 0; nil when it is in none.
local function position_of(o, id)
  local lane = key.lane(o.account, o.sender)
  local source = o.campaign and not o.look_up and o.campaign or '-'
  local list = o.priority == 't' and lane .. ':t' or o.zones and source ~= '-' and zone.list(lane, source, o.zones) or key.bulk(lane, source)
  -- From the tail first: what was enqueued last is asked for first.
  return redis.call('LPOS', list, id, 'RANK', -1, 'MAXLEN', 2000) or redis.call('LPOS', list, id) or nil
end

-- The reason of the list that a recipient is on, or nil; a service whose server user may not read the lists is told of none.
local function suppressed(account, a, to)
  local lists = { a.listed and account or false, redis.pcall('HEXISTS', key.meta, 'sup') == 1 and EVERY_ACCOUNT or false }
  for _, list in ipairs(lists) do
    local entry = list and redis.pcall('HGET', key.suppressed(list), to)
    if type(entry) == 'string' then
      local readable, reason = pcall(listed.reason, list, entry)
      return readable and reason or ''
    end
  end
  return nil
end

if verb == 'operation' then
  local id = ARGV[2]
  local o = as_table(redis.call('HGETALL', key.operation(id)))
  if not o.state then return '' end
  if o.campaign then
    for field, value in pairs(as_table(redis.call('HGETALL', key.campaign(o.campaign)))) do
      if #field <= 3 and not o[field] then o[field] = value end
    end
  end
  o.id, o.now = id, int(now)
  local account = account_of(o.account)
  local reply = { operation = o, account = account }
  if account and o.state == 'w' then
    local timer = (o.sequence or '') .. ':' .. id
    reply.lanes = lanes_of(o.account)
    reply.campaign = o.campaign and fields(key.campaign(o.campaign), CAMPAIGN_FIELDS) or nil
    reply.position = position_of(o, id)
    reply.suppressed = not o.exempt and not o.look_up and o.kind ~= 'number.check' and o.kind ~= 'message.delete' and suppressed(o.account, account, o.to) or nil
    reply.not_before = redis.call('ZSCORE', key.account(o.account) .. ':tm', 'n:' .. timer)
      or (o.campaign and redis.call('ZSCORE', key.campaign(o.campaign) .. ':tm', timer)) or nil
    reply.follows = o.follows and redis.call('ZSCORE', key.account(o.account) .. ':tm', 'v:' .. o.follows .. ':' .. id) and o.follows or nil
    reply.backoff_until = redis.call('ZSCORE', key.account(o.account) .. ':tm', 'o:0:' .. id) or nil
  end
  return cjson.encode(reply)
elseif verb == 'record' then
  local o = redis.call('HMGET', key.operation(ARGV[3]), field.o.state, field.o.record)
  return cjson.encode({
    waiting = redis.call('EXISTS', key.record(ARGV[2])) == 1, refused = redis.call('GET', key.refusal(ARGV[2])) or nil,
    known = o[1] and true or false, created_here = o[2] == ARGV[2],
  })
elseif verb == 'accounts' then
  return redis.call('SMEMBERS', key.accounts)
elseif verb == 'account' then
  local a = account_of(ARGV[2])
  if not a then return '' end
  local lanes = lanes_of(ARGV[2])
  return cjson.encode({
    account = a, counts = as_table(redis.call('HGETALL', key.account(ARGV[2]) .. ':n')), lanes = lanes, now = int(now),
    in_flight = in_flight_of(lanes), timed = timed_of(ARGV[2], lanes),
    held = redis.call('ZCARD', key.account(ARGV[2]) .. ':held'),
  })
elseif verb == 'campaign' then
  local c = as_table(redis.call('HGETALL', key.campaign(ARGV[2])))
  if not c.account then return '' end
  local lanes = lanes_of(c.account)
  return cjson.encode({
    campaign = c, account = account_of(c.account), lanes = lanes, now = int(now), timed = timed_of(c.account, lanes),
    counts = as_table(redis.call('HGETALL', key.account(c.account) .. ':n')),
    first_timed = redis.call('ZRANGE', key.campaign(ARGV[2]) .. ':tm', 0, 0, 'WITHSCORES')[2] or nil,
    last_timed = redis.call('ZRANGE', key.campaign(ARGV[2]) .. ':tm', -1, -1, 'WITHSCORES')[2] or nil,
  })
elseif verb == 'heads' then
  local heads = {}
  for i = 2, #ARGV do
    local c = redis.call('HMGET', key.campaign(ARGV[i]), 'created', field.c.account, 'hold', 'completed_at')
    if c[2] then heads[#heads + 1] = { ARGV[i], c[1] or '0', c[2], c[3] or '', c[4] or '' } end
  end
  return heads
elseif verb == 'known' then
  local known = 0
  for i = 2, #ARGV do known = known + redis.call('EXISTS', key.operation(ARGV[i])) end
  return known
elseif verb == 'find' then
  local prefix, found = key.operation(''), {}
  -- The cursor of a state of several shards begins with a shard.
  local page = redis.call('SCAN', string.match(ARGV[2], '%d+$'), 'MATCH', string.gsub(prefix, '[%[%]*?\\]', '\\%0') .. '*', 'COUNT', ARGV[5])
  for _, name in ipairs(page[2]) do
    local o = redis.call('HMGET', name, 'to', field.o.account, field.o.campaign)
    local account = ARGV[4] == '' and '' or o[2] or (o[3] and redis.call('HGET', key.campaign(o[3]), field.c.account))
    if o[1] == ARGV[3] and account == ARGV[4] then found[#found + 1] = string.sub(name, #prefix + 1) end
  end
  return { page[1], found }
elseif verb == 'campaigns' then
  return redis.call('SMEMBERS', key.campaigns)
else
  local capacity, workers = 0, 0
  for _, value in ipairs(redis.call('HVALS', key.workers)) do
    local own, expires = string.match(value, '^(%d+)|(%d+)')
    if tonumber(expires) >= now then
      capacity = capacity + tonumber(own)
      workers = workers + 1
    end
  end
  -- Workers that cannot reach the provider, and why the first of them cannot.
  local unreachable, why = 0, nil
  for _, value in ipairs(redis.call('HVALS', key.unreachable)) do
    local expires, words = string.match(value, '^(%d+)|(.*)$')
    if tonumber(expires) >= now then unreachable, why = unreachable + 1, why or words end
  end
  return cjson.encode({
    unreachable = unreachable, unreachable_why = why,
    provider_breaker_until = redis.call('HGET', key.meta, 'pb_until') or nil,
    workers = workers, capacity = capacity, in_flight = redis.call('ZCARD', key.in_flight),
    inbox = redis.call('ZCARD', key.inbox), accounts = redis.call('SCARD', key.accounts), now = int(now),
  })
end
