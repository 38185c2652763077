-- Grant everything that is due: take a slot, take the operation from its lane, put it in flight under a lease and a token.
--
-- KEYS  1 root
-- ARGV  1 most operations to grant, 2 fleet capacity (operations in flight, all workers), 3 most accounts to visit,
--       4 retention of settled operations (ms), 5 grace before an unknown outcome is looked up (us)
-- reply { server time, next look (us; '' none), leases given back, JSON list of {account, kind, outcome} settled on the way,
--         fleet room left, '1' when a restart of the server was just noticed, JSON list of {account, slot} whose /info is to be read
--         at that slot, then id, token, slot per grant }
-- keys  due, meta, a:<acct> and its sets, lanes, o:<id>, f:<id>
-- Cost: a constant number of commands per grant and per account visited, whatever waits behind.
-- Not replayable by design: a lost reply leaves granted operations that nobody begins, and their leases give them back.
--@include keys.lua
--@include sources.lua
--@include bucket.lua
--@include breaker.lua
--@include budgets.lua
--@include campaigns.lua
--@include lanes.lua
--@include attend.lua
local most, capacity, most_accounts, retention = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local grace = tonumber(ARGV[5])
local now = server_time()
local epoch, restarted = checked_epoch()
local jumps = current_jumps()
local room = math.min(most, capacity - tonumber(meta().inflight or 0))
-- An answer to /info that does not come is asked for again after this long.
local INFO_AGAIN = 60000000
local UNHEARD = 'the worker did not report back before its lease ran out'
local granted, infos = {}, {}
local swept_back = 0

-- Leases that ran out. Before begin: nothing was sent, back to the lane. After it: unknown, unless the call only looked something up.
local function sweep_leases(a)
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', a.key .. ':fl', '-inf', int(now), 'LIMIT', 0, 50)) do
    local o = load_operation(id)
    if not o then
      redis.call('ZREM', a.key .. ':fl', id)
      redis.call('HINCRBY', key.meta, 'inflight', -1)
    else
      if o.s == 's' and not o.ph then
        unknown(o, now, UNHEARD, retention, grace)
        breaker.not_probed(id, now)
      elseif o.s == 's' and redis.call('HINCRBY', o.key, 'lk', 1) >= MOST_LOOKS then
        finish(o, now, 'held', { code = 'unknown', words = UNHEARD }, retention)
        breaker.not_probed(id, now)
      else
        give_back(o, now, a, o.s == 'g')
        if o.s == 'g' then swept_back = swept_back + 1 end
      end
      refresh_lane(a.name, o.f, now)
    end
    if a.probe == id then set_probe(a, 'due') end
  end
end

local function fire_timers(a)
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', a.key .. ':tm', '-inf', int(now), 'LIMIT', 0, 100)) do
    redis.call('ZREM', a.key .. ':tm', member)
    local kind, subject = string.sub(member, 1, 1), string.match(member, '[^:]+$')
    local o = kind ~= 'c' and load_operation(subject)
    if kind == 'c' then
      attend.campaign(a, subject, now, retention)
    elseif o and o.s == 'w' and kind == 'v' then
      redis.call('LREM', key.followers(o.rf), 1, o.id)
      finish(o, now, 'expired', { words = 'its valid_until passed while it waited for the operation that it follows' }, retention)
    elseif o and o.s == 'w' then
      enter_lane(o, kind == 'o', now)
      refresh_lane(a.name, o.f, now)
    end
  end
  for _, sender in ipairs(redis.call('ZRANGEBYSCORE', a.key .. ':sp', '-inf', int(now), 'LIMIT', 0, 100)) do
    redis.call('ZREM', a.key .. ':sp', sender)
    refresh_lane(a.name, sender, now)
  end
end

-- Whether what the operation follows lets it leave; else it is put where it belongs.
local function may_follow(o)
  local other = load_operation(o.rf)
  if other and other.a == o.a and (other.s ~= 'd' or other.oc == 'held') then
    follow_later(o)
    return false
  elseif other and other.a == o.a and other.oc == 'accepted' then
    return true
  end
  local why = other and other.a == o.a and ('ended as ' .. other.oc) or 'is not known any more'
  finish(o, now, 'rejected', { code = 'follows', words = 'the operation that it follows ' .. why }, retention)
  return false
end

-- Whether the budgets of sender and kind allow the call; else the operation waits, or with it the whole lane.
local function within_budgets(a, o, sender, slot)
  for _, b in ipairs(a.budgets) do
    local nth_last = budget.concerns(o, b) and redis.call('LINDEX', budget.log(o, b), -b.n)
    local free = nth_last and tonumber(nth_last) + b.window + a.variation or 0
    if free > slot and b.kind == '*' then
      enter_lane(o, true, now)
      redis.call('HSET', o.lane, 'p', int(free), 'pw', 'budget')
      redis.call('ZADD', a.key .. ':sp', int(free), sender)
      return false
    elseif free > slot then
      set_aside(o, free, 'the budget of ' .. b.n .. ' ' .. b.kind .. ' of its sender is used up')
      return false
    end
  end
  if o.k == 'number.check' and a.checks_left and tonumber(a.checks_left) <= 0 then
    set_aside(o, now + POOL_PAUSE, 'the number checks of the account are used up')
    return false
  end
  return true
end

-- Whether its own window is open at a slot; else it waits for the next opening like one that is not to be sent before, or has
-- none left.
local function within_window(o, slot)
  local from = opening_at(o.wi, slot)
  if not from then
    finish(o, now, 'expired', { words = 'no opening of its window is left' }, retention)
  elseif from > slot then
    wait_until(o.a, 'n', o.q or '0', o.id, from - HOP)
  end
  return from == slot
end

-- The lane whose turn it is, and its class: transactional work first, lanes of a class in turn.
local function next_lane(a)
  local sender = redis.call('ZRANGE', a.key .. ':rt', 0, 0)[1]
  if sender then return sender, 'rt' end
  return redis.call('ZRANGE', a.key .. ':rb', 0, 0)[1], 'rb'
end

-- The next operation of the account that may be sent, and its slot; nil when there is none, or none so soon.
local function next_operation(a)
  for _ = 1, SKIPS do
    local sender, class = next_lane(a)
    if not sender then return nil end
    local slot = bucket.peek(a, math.max(now + HOP, a.paused_until), class == 'rb')
    if slot > now + LEAD then return nil end
    local id = leave_lane(a.name, key.lane(a.name, sender), class, slot)
    local o = id and load_operation(id)
    if not o or o.s ~= 'w' then
      refresh_lane(a.name, sender, now)
    elseif campaign.shut(o.c) and not o.ph then
      finish(o, now, 'expired', { words = 'no opening of its campaign\'s window is left' }, retention)
      refresh_lane(a.name, sender, now)
    elseif o.vu and tonumber(o.vu) <= slot and not o.ph then
      finish(o, now, 'expired', { words = 'its valid_until passed before its turn came' }, retention)
      refresh_lane(a.name, sender, now)
    else
      local ahead = redis.call('HGET', o.lane .. ':h', o.pair)
      if ahead and ahead ~= id then
        redis.call('RPUSH', o.lane .. ':k:' .. o.pair, id)
      elseif (not o.wi or o.ph or within_window(o, slot)) and (not o.rf or may_follow(o)) and within_budgets(a, o, sender, slot) then
        return o, slot
      end
      refresh_lane(a.name, sender, now)
    end
  end
  return nil
end

-- The account's own figures are read at a slot of its bucket, like any call.
local function ask_info(a)
  if not may_ask_info(a) or a.info_at > now or breaker.others_from() > now or capacity <= 0 then return end
  local slot = bucket.peek(a, math.max(now + HOP, a.paused_until))
  if slot > now + LEAD then return end
  bucket.take(a, slot)
  a.info_at = now + INFO_AGAIN
  redis.call('HSET', a.key, 'info_at', int(a.info_at), 'info_slot', int(slot))
  infos[#infos + 1] = { a.name, int(slot) }
end

local function visit(name)
  local a = load_account(name, now, epoch)
  if not a then
    redis.call('ZREM', key.due, name)
    return
  end
  sweep_leases(a)
  fire_timers(a)
  ask_info(a)
  while breaker.room(room, now) > 0 and not a.suspended and a.recheck <= now and (not a.probe or a.probe == '' or a.probe == 'due') do
    local o, slot = next_operation(a)
    if not o then break end
    bucket.take(a, slot)
    budget.spend(a, o, slot)
    if o.pr == 'b' then campaign.took(o, slot) end
    breaker.probing(o.id, now)
    local token = redis.call('HINCRBY', o.key, 'n', 1)
    redis.call('HSET', o.key, 's', 'g', 'sl', int(slot), 'j', jumps)
    redis.call('ZADD', a.key .. ':fl', int(slot + GRANT_LEASE), o.id)
    redis.call('HINCRBY', key.meta, 'inflight', 1)
    redis.call('HSET', o.lane, 'f', o.id)
    refresh_lane(name, o.f, now)
    if a.probe == 'due' then set_probe(a, o.id) end
    room = room - 1
    granted[#granted + 1] = o.id
    granted[#granted + 1] = token
    granted[#granted + 1] = int(slot)
  end
  reschedule(a, now)
end

for _, name in ipairs(redis.call('ZRANGEBYSCORE', key.due, '-inf', int(now), 'LIMIT', 0, most_accounts)) do visit(name) end

local following = redis.call('ZRANGE', key.due, 0, 0, 'WITHSCORES')[2]
return { int(now), following and int(tonumber(following)) or '', swept_back, settled_json(), breaker.room(room, now), restarted,
  #infos > 0 and cjson.encode(infos) or '[]', unpack(granted) }
