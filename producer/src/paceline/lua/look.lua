-- Read, and change nothing: operations, accounts, the fleet. One script, so that Python names no key.
--
-- KEYS  1 root
-- ARGV  1 verb, then
--         operation: 2 id                 -> JSON of the operation, its lane and its account, or '' when unknown
--         receipt:   2 record id, 3 id    -> JSON {record, refused, operation, created_here}, cheap enough to poll
--         accounts:                       -> account names
--         account:   2 name               -> JSON of settings (never the key), counts, and what waits, counted from the lists
--         campaigns:                      -> campaign names
--         fleet:                          -> JSON {workers, capacity, inflight, inbox, due_accounts, now}
-- keys  all, read only. Cost: O(senders + sources) for an account; O(lane) to find one operation's position.
--@include keys.lua
local verb = ARGV[1]
local now = server_time()

local function as_table(flat)
  local out = {}
  for i = 1, #flat, 2 do out[flat[i]] = flat[i + 1] end
  return out
end

local function older(oldest, id)
  local t = id and redis.call('HGET', key.operation(id), 't')
  if t and (not oldest or tonumber(t) < tonumber(oldest)) then return t end
  return oldest
end

-- Per sender: transactional waiting, bulk waiting per source, parked behind a back-off, and the oldest that heads a list.
local function lanes_of(account)
  local lanes = {}
  for _, sender in ipairs(redis.call('SMEMBERS', key.account(account) .. ':ln')) do
    local lane = key.lane(account, sender)
    local state = redis.call('HMGET', lane, 'f', 'p', 'pw')
    local sources, bulk, parked = {}, 0, 0
    local oldest = older(nil, redis.call('LINDEX', lane .. ':t', 0))
    for _, source in ipairs(redis.call('LRANGE', lane .. ':s', 0, -1)) do
      sources[source] = redis.call('LLEN', lane .. ':b:' .. source)
      bulk = bulk + sources[source]
      oldest = older(oldest, redis.call('LINDEX', lane .. ':b:' .. source, 0))
    end
    for _, pair in ipairs(redis.call('HKEYS', lane .. ':h')) do parked = parked + redis.call('LLEN', lane .. ':k:' .. pair) end
    lanes[#lanes + 1] = {
      paused_because = state[3] or nil, sender = sender, transactional = redis.call('LLEN', lane .. ':t'), bulk = bulk, sources = sources, parked = parked,
      oldest_at = oldest, in_flight = state[1] or nil, paused_until = state[2] or nil,
    }
  end
  return lanes
end

-- When the account's next slot can be, by its bucket and quotas; the arithmetic of bucket.lua, reading only.
local function next_slot(account, a)
  local slot = math.max(now, tonumber(a.next or now), tonumber(a.floor or 0), tonumber(a.paused_until or 0))
  for n, window, variation in string.gmatch(a.quotas or '', '(%d+):(%d+):(%d+)') do
    local nth_last = redis.call('LINDEX', key.account(account) .. ':q:' .. window, -tonumber(n))
    if nth_last then slot = math.max(slot, tonumber(nth_last) + tonumber(window) + tonumber(variation)) end
  end
  return slot
end

local function account_of(name)
  local a = as_table(redis.call('HGETALL', key.account(name)))
  if not a.name then return nil end
  a.key = nil
  -- What 429s and the ramp after an outage left of the rate (lanes.lua).
  local slow = tonumber(a.slow or 1000)
  if slow > 1000 then slow = math.max(1000, slow - 50 * math.max(0, math.floor((now - tonumber(a.slow_at)) / 3600000000))) end
  a.slow = int(slow)
  a.interval_now = int(math.ceil(tonumber(a.interval) * slow / 1000) * tonumber(a.ramp or 1))
  a.next_slot = int(next_slot(name, a))
  return a
end

-- How many operations leave before this one, as lanes and sources take turns; nil when it is not in a list.
local function ahead_of(o, id, lanes)
  local own = key.lane(o.a, o.f)
  local source = o.c or '-'
  local list = o.pr == 't' and own .. ':t' or own .. ':b:' .. source
  local length = redis.call('LLEN', list)
  -- From the tail first: what was enqueued last is asked for first.
  local place = redis.call('LPOS', list, id, 'RANK', -1, 'MAXLEN', 2000) or redis.call('LPOS', list, id)
  if not place then return nil end
  local ahead = place
  for _, lane in ipairs(lanes) do
    if o.pr == 't' then
      if lane.sender ~= o.f then ahead = ahead + math.min(lane.transactional, place) end
    else
      ahead = ahead + lane.transactional
      for name, waiting in pairs(lane.sources) do
        if lane.sender ~= o.f or name ~= source then ahead = ahead + math.min(waiting, place) end
      end
    end
  end
  return ahead
end

if verb == 'operation' then
  local id = ARGV[2]
  local o = as_table(redis.call('HGETALL', key.operation(id)))
  if not o.s then return '' end
  if o.c then
    for field, value in pairs(as_table(redis.call('HGETALL', key.campaign(o.c)))) do
      if #field <= 3 and not o[field] then o[field] = value end
    end
  end
  o.id, o.now = id, int(now)
  local account = account_of(o.a)
  local reply = { operation = o, account = account }
  if account and o.s == 'w' then
    local lanes = lanes_of(o.a)
    reply.ahead = ahead_of(o, id, lanes)
    reply.not_before = redis.call('ZSCORE', key.account(o.a) .. ':tm', 'n:' .. (o.q or '') .. ':' .. id) or nil
    reply.follows = o.rf and redis.call('ZSCORE', key.account(o.a) .. ':tm', 'v:' .. o.rf .. ':' .. id) and o.rf or nil
    reply.backoff_until = redis.call('ZSCORE', key.account(o.a) .. ':tm', 'o:0:' .. id) or nil
    for _, lane in ipairs(lanes) do
      if lane.sender == o.f then reply.lane = lane end
    end
  end
  return cjson.encode(reply)
elseif verb == 'receipt' then
  local o = redis.call('HMGET', key.operation(ARGV[3]), 's', 'r')
  return cjson.encode({
    waiting = redis.call('EXISTS', key.record(ARGV[2])) == 1, refused = redis.call('GET', key.refusal(ARGV[2])) or nil,
    known = o[1] and true or false, created_here = o[2] == ARGV[2],
  })
elseif verb == 'accounts' then
  return redis.call('SMEMBERS', key.accounts)
elseif verb == 'account' then
  local a = account_of(ARGV[2])
  if not a then return '' end
  return cjson.encode({
    account = a, counts = as_table(redis.call('HGETALL', key.account(ARGV[2]) .. ':n')), lanes = lanes_of(ARGV[2]), now = int(now),
    in_flight = redis.call('ZCARD', key.account(ARGV[2]) .. ':fl'), timed = redis.call('ZCARD', key.account(ARGV[2]) .. ':tm'),
    held = redis.call('ZCARD', key.account(ARGV[2]) .. ':held'),
  })
elseif verb == 'campaigns' then
  return redis.call('SMEMBERS', key.campaigns)
else
  local capacity, workers = 0, 0
  for _, value in ipairs(redis.call('HVALS', key.workers)) do
    local own, expires = string.match(value, '^(%d+)|(%d+)$')
    if tonumber(expires) >= now then
      capacity = capacity + tonumber(own)
      workers = workers + 1
    end
  end
  return cjson.encode({
    provider_breaker_until = redis.call('HGET', key.meta, 'pb_until') or nil,
    workers = workers, capacity = capacity, inflight = tonumber(redis.call('HGET', key.meta, 'inflight') or 0),
    inbox = redis.call('ZCARD', key.inbox), accounts = redis.call('SCARD', key.accounts), now = int(now),
  })
end
