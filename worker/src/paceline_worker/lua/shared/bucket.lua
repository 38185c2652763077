-- The token bucket of an account: GCRA with burst 1, in integer microseconds of the server's clock.
-- `bucket.py` is the same arithmetic in Python, and one property test holds them together.
-- The worker's README.md tells it with a timeline.
--
-- Fields of a:<acct>:  `next`     earliest next slot (the theoretical arrival time of GCRA)
--                      `floor`    no slot before: a slow call may have arrived as late as it was answered
--                      `interval` distance between slots, us          `quotas` "N:W:J N:W:J" further limits, us
--                      `last`     the slot taken last           `reserve` percent of all limits that bulk work leaves alone
--                      `bulk_next` earliest next slot of bulk work, when there is a reserve
--                      `epoch`    generation in which `next` was written: a lost, new or distrusted bucket starts empty
--                      `taken`    slots taken since the account was added, less those given back: for people who watch the rate
--                      `learn`    'spacing' or 'window' (the pacing) when J is measured: `least` us from slot to answer of a quick call,
--                                 `excess` what calls lately took longer, `spread` what J was lately, `heard` how many answers, `answered` the slot of the last one
--@include keys.lua
--@include shared/meta.lua
--@include slots.lua
local bucket = {}
-- What J is at least, us.
local LEAST_SPREAD = 5000
local LEARNED = { 'least', 'excess', 'spread', 'heard', 'answered' }

-- A bucket of another generation starts empty: one whole interval passes before its first slot, counted from now or from a slot
-- that was granted ahead and may still be used. A slot further ahead is one of a clock that has been set back since: none of those
-- is used (begin.lua).
function bucket.refresh(a, now, epoch)
  if a.epoch ~= epoch or not a.next then
    local empty = now + a.interval
    if not a.next then a.due = nil end  -- its place in the index was that of the bucket that is lost
    if not a.next or a.next > empty + FAR then a.next = empty end
    a.next = math.max(empty, a.next)
    a.floor, a.last = 0, 0
    a.epoch = epoch
    a.bucket_changed, a.refreshed = true, true
  end
end

-- A call that took longer than J may have arrived that late: slots after it keep their distance from then.
function bucket.push(a, slot, elapsed)
  if elapsed <= a.variation then return end
  local earliest = slot + elapsed - a.variation + a.interval
  if earliest > a.floor then
    a.floor = earliest
    a.bucket_changed, a.refreshed = true, true
  end
end

-- Whether J of the account is measured now.
function bucket.measures(a) return slots.measures(a.learn, a.slowness, a.ramp) end

-- Whether the last slot's call may still be under way: the distance to the next one is not known yet.
function bucket.is_open(a) return a.next > (a.last or 0) and (a.last or 0) > (a.answered or 0) end

-- A call was answered, so it is known how late it can have arrived: by what it took longer than a quick one. The slot after it keeps
-- that distance, not the distance of a call of unknown lateness. To it comes what a quick call may be quicker than the
-- quickest known: a quarter of what it takes, and of what calls lately took longer. The quickest known is forgotten slowly.
function bucket.answer(a, slot, elapsed)
  local quick = math.min(a.least or elapsed, elapsed)
  a.heard = math.min((a.heard or 0) + 1, HEARD)
  local excess = elapsed - quick
  a.least = quick + math.floor(excess / 1024)
  a.excess = a.excess and a.excess + math.floor((excess - a.excess) / 8) or excess
  local spread = excess + math.floor(a.excess / 4) + math.max(LEAST_SPREAD, math.floor(quick / 4))
  a.spread = a.spread and a.spread + math.floor((spread - a.spread) / 8) or spread
  a.bucket_changed, a.learned = true, true
  if a.heard < HEARD then return bucket.push(a, slot, elapsed) end

  local earliest = slot + a.interval - a.variation + spread
  if a.last == slot and a.next == slot + a.interval then
    a.next, a.answered = earliest, slot
    if a.reserve > 0 then a.bulk_next = slot + math.ceil((earliest - slot) * 100 / (100 - a.reserve)) end
  elseif earliest > a.floor then
    a.floor, a.refreshed = earliest, true
  end
end

-- Take one slot: all limits or none, because `slot` satisfies all of them.
function bucket.take(a, slot)
  a.next, a.last = slot + a.interval, slot
  a.taken = (a.taken or 0) + 1
  if (a.reserve or 0) > 0 then a.bulk_next = slot + math.ceil(a.interval * 100 / (100 - a.reserve)) end
  a.bucket_changed = true
  for _, quota in ipairs(a.quotas) do
    local log = slots.log(a.key, quota)
    redis.call('RPUSH', log, int(slot))
    redis.call('LTRIM', log, -quota.n, -1)
    redis.call('PEXPIRE', log, math.ceil((quota.window + quota.variation) / 1000) + 60000)
  end
end

-- Write down what changed of the bucket, and with it the account's place in the due index.
function bucket.save(a)
  if not a.bucket_changed and not a.due_changed then return end
  local written = {}
  if a.due_changed then written = { 'due', int(a.due) } end
  if a.bucket_changed then
    for _, field in ipairs(a.refreshed and { 'next', 'last', 'taken', 'floor' } or { 'next', 'last', 'taken' }) do
      written[#written + 1], written[#written + 2] = field, int(a[field] or 0)
    end
    if a.refreshed then written[#written + 1], written[#written + 2] = 'epoch', a.epoch end
    for _, field in ipairs(a.learned and LEARNED or {}) do
      written[#written + 1], written[#written + 2] = field, int(a[field] or 0)
    end
    if (a.reserve or 0) > 0 then written[#written + 1], written[#written + 2] = 'bulk_next', int(a.bulk_next or 0) end
  end
  redis.call('HSET', a.key, unpack(written))
  a.bucket_changed, a.due_changed, a.refreshed, a.learned = false, false, false, false
end

seldom(bucket, function()
  -- Return a slot in which nothing was sent, unless a later one was taken meanwhile: the next operation may use its time. `next`
  -- alone does not tell: after the interval has doubled it looks as if a slot of before were the last one.
  function bucket.give_back(a, slot)
    if a.next ~= slot + a.interval or (a.last and a.last ~= slot) then return end
    a.next = slot
    a.taken = (a.taken or 0) - 1
    if (a.reserve or 0) > 0 then a.bulk_next = slot end
    a.bucket_changed = true
    for _, quota in ipairs(a.quotas) do
      local log = slots.log(a.key, quota)
      if redis.call('LINDEX', log, -1) == int(slot) then redis.call('RPOP', log) end
    end
  end

  -- An operation is late for its slot: it takes the first one at or after `earliest` instead, under the same limits. The old slot goes
  -- back to the bucket when no later one was taken; it counts no longer against a quota in any case. Returns the new slot.
  function bucket.move(a, slot, earliest, bulk)
    local taken = a.taken
    for _, quota in ipairs(a.quotas) do redis.call('LREM', slots.log(a.key, quota), -1, int(slot)) end
    bucket.give_back(a, slot)
    local later = slots.next(a, earliest, bulk)
    bucket.take(a, later)
    a.taken = taken
    return later
  end
end)
