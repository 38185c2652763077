-- When an account may have its next slot, how far apart its slots are, and what of its quotas is used.
--
-- The one home of these rules: scripts that take slots (shared/bucket.lua, shared/account.lua) and scripts that only look (look.lua,
-- gauges.lua) ask here. Nothing is written.
--@include keys.lua
local slots = {}
-- A measured J is not believed before so many calls were answered; bucket.py says the same.
local HEARD = 16
local NO_QUOTAS = {}

-- Distance between two slots. `slowness`: what 429s left, in thousandths; `ramp`: the factor after an outage.
function slots.interval(base, slowness, ramp) return math.ceil(base * slowness / 1000) * ramp end

-- Whether J is measured. After a 429 it is not, until the spacing has recovered; with `window` it would gain next to nothing.
function slots.measures(learn, slowness, ramp) return learn == 'spacing' and slowness == 1000 and ramp == 1 end

-- The earliest slot of an account at or after `earliest`, by its numbers `next` and `floor` and its `quotas`. A quota of N per W admits
-- slot k no sooner than W + J after slot k - N. Bulk work leaves the account's reserve alone: it keeps more distance, and sees
-- smaller quotas.
function slots.next(a, earliest, bulk)
  local slot = math.max(a.next, a.floor, earliest)
  local share = bulk and 100 - (a.reserve or 0) or 100
  if share < 100 then slot = math.max(slot, a.bulk_next or 0) end
  for _, quota in ipairs(a.quotas) do
    local free = slots.free_from(slots.log(a.key, quota), math.max(1, math.floor(quota.n * share / 100)), quota.window + quota.variation)
    slot = math.max(slot, free)
  end
  return slot
end

seldom(slots, function()
  local HOUR = 3600000000
  -- Each hour without a 429 takes back so many thousandths of the interval.
  local FASTER_AN_HOUR = 50

  -- The factor of the interval that 429s left, in thousandths; clean hours have reduced the factor.
  function slots.slowness(slow, slow_at, now)
    slow = tonumber(slow or 1000)
    if slow <= 1000 then return 1000 end
    return math.max(1000, slow - FASTER_AN_HOUR * math.max(0, math.floor((now - tonumber(slow_at)) / HOUR)))
  end

  -- Slowness, interval and J of an account as they are now, from its stored fields. What calls told takes the place of J.
  function slots.present(a, now)
    local slowness, ramp = slots.slowness(a.slow, a.slow_at, now), tonumber(a.ramp or 1)
    local interval, variation = slots.interval(tonumber(a.interval), slowness, ramp), tonumber(a.variation or 0)
    if not slots.measures(a.learn, slowness, ramp) or tonumber(a.heard or 0) < HEARD then return slowness, interval, variation end
    return slowness, interval - variation + tonumber(a.spread), tonumber(a.spread)
  end

  -- Quotas in the form that Pace.quotas_text of bucket.py writes.
  function slots.quotas(text)
    if not text then return NO_QUOTAS end
    local quotas = {}
    for n, window, variation in string.gmatch(text, '(%d+):(%d+):(%d+)') do
      quotas[#quotas + 1] = { n = tonumber(n), window = tonumber(window), variation = tonumber(variation) }
    end
    return quotas
  end

  -- The log of a quota, named after its window, so that a changed quota keeps what was counted.
  function slots.log(k, quota) return k .. ':q:' .. int(quota.window) end

  -- From when a log of slots admits another: `distance` after the nth from its end; 0 when it has fewer.
  function slots.free_from(log, n, distance)
    local nth_last = redis.call('LINDEX', log, -n)
    return nth_last and tonumber(nth_last) + distance or 0
  end

  -- How much of a quota is used: slots of its log within the last `span`, the first and the last of them. The log is in order.
  function slots.used(log, span, now)
    local length = redis.call('LLEN', log)
    local low, high = 0, length
    while low < high do
      local middle = math.floor((low + high) / 2)
      if tonumber(redis.call('LINDEX', log, middle)) <= now - span then low = middle + 1 else high = middle end
    end
    if low == length then return 0 end
    return length - low, redis.call('LINDEX', log, low), redis.call('LINDEX', log, -1)
  end

  -- What is used of each quota of an account: { n, window (the variation included), used, oldest, newest }.
  function slots.quota_use(k, quotas, now)
    local all = {}
    for _, quota in ipairs(quotas) do
      local span = quota.window + quota.variation
      local used, oldest, newest = slots.used(slots.log(k, quota), span, now)
      all[#all + 1] = { n = quota.n, window = int(span), used = used, oldest = oldest, newest = newest }
    end
    return all
  end
end)
