-- Accounts: read one, and put it into the index of what is due.
--@include keys.lua
--@include shared/meta.lua
--@include shared/bucket.lua
--@include shared/breaker.lua
--
-- A field that is not there has its default; account_fields.lua says which fields there are.
-- A sender's call is over before the next slot of an account with longer intervals.
local FAST = 2000000
-- What 429s do to an account: its spacing grows, and a probe ends the pause.
local throttling = {}
seldom(throttling, function()
  -- A 429 makes the spacing a quarter longer, at most twice as long (clean hours take that back: slots.slowness).
  local SLOWER, SLOWEST = 1.25, 2000

  -- The provider found too many calls: keep more distance, whatever the reason, until clean hours have passed.
  function throttling.incident(a, now)
    a.throttled = a.throttled + 1
    a.slow = math.min(SLOWEST, math.floor(a.slowness * SLOWER))
    a.slow_at, a.slowness = now, a.slow
    redis.call('HSET', a.key, 'slow', a.slow, 'slow_at', int(now), 'throttled', int(a.throttled))
  end

  -- The probe that ends a throttling pause: `due` waits to be granted, an id is in flight, '' none.
  function throttling.set_probe(a, value)
    a.probe = value
    if value == '' then
      a.throttled = 0
      redis.call('HDEL', a.key, 'probe', 'throttled')
    else
      redis.call('HSET', a.key, 'probe', value)
    end
  end

  -- A probe is wanted; an operation in flight is the probe, and nothing else leaves before its answer.
  function throttling.want_probe(a)
    if (a.probe or '') == '' or a.probe == 'due' then throttling.set_probe(a, 'due') end
  end
end)

-- Added to the score of a lane that has bulk work only: behind every lane with transactional work, until the year 2128.
local BULK = 4000000000000000

local function load_account(name, now, epoch)
  local k = key.account(name)
  local a = whole(k)
  if not a.interval then return nil end
  a.name, a.key = name, k
  a.ramp = tonumber(a.ramp or 1)
  a.base = tonumber(a.interval)
  a.slowness = a.slow and slots.slowness(a.slow, a.slow_at, now) or 1000
  a.interval = slots.interval(a.base, a.slowness, a.ramp)
  a.next, a.floor, a.last = tonumber(a.next), tonumber(a.floor or 0), tonumber(a.last)
  a.variation, a.reserve, a.bulk_next = tonumber(a.variation), tonumber(a.reserve or 0), tonumber(a.bulk_next)
  a.taken = tonumber(a.taken)
  a.info_every, a.info_at, a.recheck = tonumber(a.info_every or 0), tonumber(a.info_at or 0), tonumber(a.recheck or 0)
  a.paused_until = tonumber(a.paused_until or 0)
  if a.breaker == 'open' and (a.probe or '') == '' then a.probe = 'due' end
  a.throttled = tonumber(a.throttled or 0)
  a.quotas = a.quotas and slots.quotas(a.quotas) or NO_QUOTAS
  a.due = tonumber(a.due)
  if a.learn == 'spacing' then
    a.least, a.excess, a.spread = tonumber(a.least), tonumber(a.excess), tonumber(a.spread)
    a.heard, a.answered = tonumber(a.heard), tonumber(a.answered)
  end
  bucket.refresh(a, now, epoch)
  return a
end

-- Whether the account's own figures (/info) are to be read: also for an account that is suspended as unpaid.
local function may_ask_info(a)
  return a.info_every > 0 and (not a.suspended or string.sub(a.suspended, 1, 6) == 'unpaid')
end

-- How far ahead of its slot an operation may be granted. While J is measured and the last call is under way, its answer is worth
-- waiting for: it brings the next slot nearer.
local function lead_of(a) return bucket.measures(a) and bucket.is_open(a) and math.min(LEAD, 2 * HOP) or LEAD end

-- From when a slot may be granted to what is ready, or nil. `ready` is what the caller knows of the lanes: 't' transactional work is
-- ready, 'b' something is, 'none' nothing is; else it is looked up. Only with a reserve does it matter whether all is bulk.
local function grantable_from(a, now, ready)
  if ready == 'none' then return nil end
  local bulk_only = false
  if ready ~= 't' and (not ready or a.reserve > 0) then
    local since = redis.call('ZRANGE', a.key .. ':r', 0, 0, 'WITHSCORES')[2]
    if not since then return nil end
    bulk_only = tonumber(since) >= BULK
  end
  return math.max(slots.next(a, a.paused_until, bulk_only) - lead_of(a), a.recheck, now)
end

-- Of a script that looks at many accounts: what it writes into the due index together. Until then their places there are too early, which
-- costs a look in vain when the script fails.
local dues = nil

-- The instant from which the account may have a slot, into the due index. Its timers are another index (`wait_until`), and so are
-- leases. An entry that is early stays: a look in vain puts it right. `looked`: the caller has looked, so an early one is to go.
-- `ready` as above.
local function reschedule(a, now, ready, looked)
  local probing = a.probe and a.probe ~= '' and a.probe ~= 'due'
  local at = not a.suspended and not probing and grantable_from(a, now, ready) or nil
  if may_ask_info(a) then
    local asked_from = math.max(slots.next(a, a.paused_until) - LEAD, a.info_at, breaker_awake and breaker.others_from() or 0, now)
    at = at and math.min(at, asked_from) or asked_from
  end

  if not at then
    if a.due or looked then redis.call('ZREM', key.due, a.name) end
    if a.due then redis.call('HDEL', a.key, 'due') end
    a.due = nil
  elseif looked or not a.due or at < a.due then
    if dues then
      dues[#dues + 1], dues[#dues + 2] = int(at), a.name
    else
      redis.call('ZADD', key.due, int(at), a.name)
    end
    a.due, a.due_changed = at, true
  end
  bucket.save(a)
  return a.due
end
