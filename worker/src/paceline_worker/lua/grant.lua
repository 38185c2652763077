-- Grant what is due: take a slot, take the operation from its lane, put it in flight under a lease and a token.
--
-- KEYS  1 root
-- ARGV  1 most operations to grant, 2 fleet capacity (operations in flight, all workers), 3 budget (us of work, as work.lua reckons),
--       4 retention of settled operations (ms), 5 grace before an unknown outcome is looked up (us),
--       6 distance between slots that nothing but the hop binds (us): what one call costs the fleet,
--       7 '1': look whether the server was restarted,
--       8 of state with several shards: the workers that live, each between spaces; '' where the heartbeats are
-- reply { server time, next look (us; '' none), leases given back, JSON list of {account, kind, outcome} settled on the way,
--         fleet room left, '1' when a restart of the server was just noticed, JSON list of {account, slot} whose /info is to be read
--         at that slot, '1' when the budget was used up, operations in flight, then
--         id, token, slot per grant }
-- keys  fl, timers, due, meta, a:<acct> and its sets, lanes, o:<id>, f:<id>, sup:<acct> (read)
-- Cost: leases that ran out and timers that ended come first, each with its part of the budget; then accounts in the order of
-- their slots. Without room no account is looked at. A constant number of commands per grant, whatever waits behind.
-- Not replayable by design: a lost reply leaves granted operations that nobody begins, and their leases give them back.
--@include shared/moves.lua
--@include shared/attend.lua
--@include shared/work.lua
--@include shared/leases.lua
--@include shared/cancelled.lua
--@include shared/suppression.lua
needed = { 'hold', 'window', 'closes', 'zoned', field.c.weighted_senders, 'failed', 'cap', 'ramp', 'weight', field.c.silence }
local most, capacity, retention, grace = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[4], tonumber(ARGV[5])
local spread, living = tonumber(ARGV[6]), ARGV[8] or ''
work.left = tonumber(ARGV[3])
local now = server_time()
local epoch, restarted = checked_epoch(ARGV[7] == '1')
local jumps = current_jumps()
-- An answer to /info that does not come is asked for again after this long.
local INFO_AGAIN = 60000000
-- Of one visit.
local MOST_TIMED_ACCOUNTS, MOST_TIMERS, MOST_ACCOUNTS = 50, 50, 100
-- Waits for the number-check pool to be filled are looked at again after this long; /info says when it is.
local POOL_PAUSE = 900000000
local granted, infos = {}, {}
-- Leases of what it grants, written together.
local flights = {}
local accounts, touched = {}, {}

local function account_of(name)
  if accounts[name] == nil then accounts[name] = load_account(name, now, epoch) or false end
  return accounts[name]
end

local function fire(a, member)
  local kind, subject = string.sub(member, 1, 1), string.match(member, '[^:]+$')
  local o = kind ~= 'c' and load_operation(subject)
  if kind == 'c' then
    attend.campaign(a, subject, now, retention)
  elseif o and o.state == 'w' and kind == 'v' then
    redis.call('LREM', key.followers(o.follows), 1, o.id)
    outcomes.finish(o, now, 'expired', { words = 'its valid_until passed while it waited for its predecessor' }, retention)
  elseif o and o.state == 'w' then
    lanes.enter(o, kind == 'o', now)
    lanes.refresh(a.name, o.sender, now)
  end
end

-- The timers of one account that have ended, as far as the budget goes; what is left lets other accounts go first.
local function attend_to(name)
  local a = account_of(name)
  if not a then return redis.call('ZREM', key.timers, name) end
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', a.key .. ':tm', '-inf', int(now), 'LIMIT', 0, work.number('timer', MOST_TIMERS))) do
    work.spend('timer')
    redis.call('ZREM', a.key .. ':tm', member)
    fire(a, member)
    if work.over() then break end
  end
  for _, sender in ipairs(redis.call('ZRANGEBYSCORE', a.key .. ':sp', '-inf', int(now), 'LIMIT', 0, work.number('pause', MOST_TIMERS))) do
    work.spend('pause')
    redis.call('ZREM', a.key .. ':sp', sender)
    lanes.refresh(name, sender, now)
  end
  touched[name] = a
  local timer = redis.call('ZRANGE', a.key .. ':tm', 0, 0, 'WITHSCORES')[2]
  local pause = redis.call('ZRANGE', a.key .. ':sp', 0, 0, 'WITHSCORES')[2]
  local following = timer and pause and math.min(tonumber(timer), tonumber(pause)) or tonumber(timer or pause)
  if following then
    redis.call('ZADD', key.timers, int(math.max(now, following)), name)
  else
    redis.call('ZREM', key.timers, name)
  end
end

local function fire_timers()
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', key.timers, '-inf', int(now), 'LIMIT', 0, MOST_TIMED_ACCOUNTS)) do
    if string.sub(member, 1, 1) == FOLLOWED then
      work.spend('visit')
      redis.call('ZREM', key.timers, member)
      moves.release_followers(string.sub(member, 2), now, work.number('timer', MOST_TIMERS))
    elseif string.sub(member, 1, 1) == CANCELLED then
      work.spend('timer')
      redis.call('ZREM', key.timers, member)
      local name = cancelled.attend(string.sub(member, 2), now, retention)
      if name then touched[name] = account_of(name) or nil end
    elseif string.sub(member, 1, 1) == LISTED then
      work.spend('visit')
      suppression.note(string.sub(member, 2), account_of(string.sub(member, 2)))
    else
      work.spend('visit')
      attend_to(member)
    end
    if work.over() then break end
  end
end

-- Whether what the operation follows lets it leave; else it is put where it belongs.
local function may_follow(o)
  local other = load_operation(o.follows)
  if other and other.account == o.account and (other.state ~= 'd' or other.outcome == 'held') then
    moves.follow_later(o)
    return false
  elseif other and other.account == o.account and other.outcome == 'accepted' then
    return moves.are_released(o, now)
  end
  local why = other and other.account == o.account and ('ended as ' .. other.outcome) or 'is no longer known'
  local words = 'the operation that it follows ' .. why
  if o.look_up then  -- which is about a message to what the other one made
    outcomes.finish(o, now, 'held', { code = 'unknown', words = words .. ', so its call cannot be looked up' }, retention)
  else
    outcomes.finish(o, now, 'rejected', { code = 'follows', words = words }, retention)
  end
  return false
end

-- The others of its campaign are of its kind and its sender: none of them may leave earlier, so its source waits, and nobody is moved.
local function wait_in_source(a, o, at)
  lanes.enter(o, true, now)
  source.leave(o.lane, o.source)
  campaign.wake(a.name, o.source, at - HOP)
end

-- Whether the budgets of sender and kind allow the call; else the operation waits, or with it the whole lane.
local function within_budgets(a, o, slot)
  if not has_budget(a, o) then return true end
  for _, b in ipairs(budget.of(a)) do
    local free = budget.concerns(o, b) and slots.free_from(budget.log(o, b), b.n, b.window + a.variation) or 0
    if free > slot and b.kind == '*' then
      lanes.enter(o, true, now)
      lanes.pause_sender(o, free, 'budget')
      return false
    elseif free > slot and o.source ~= '-' then
      wait_in_source(a, o, free)
      return false
    elseif free > slot then
      moves.set_aside(o, free, 'the budget of ' .. b.n .. ' ' .. b.kind .. ' of its sender is used up')
      return false
    end
  end
  if o.kind == 'number.check' and a.checks_left and tonumber(a.checks_left) <= 0 then
    if o.source ~= '-' then
      wait_in_source(a, o, now + POOL_PAUSE)
      return false
    end
    moves.set_aside(o, now + POOL_PAUSE, 'the number checks of the account are used up')
    return false
  end
  return true
end

-- Whether its own window is open at a slot; else it waits for the next opening like a scheduled operation, or has
-- none left.
local function within_window(o, slot)
  local from = campaign.opening_at(o.openings, slot)
  if not from then
    outcomes.finish(o, now, 'expired', { words = 'no opening of its window is left' }, retention)
  elseif from > slot then
    lanes.wait_until(o.account, 'n', o.sequence or '0', o.id, from - HOP)
  end
  return from == slot
end

-- Whether the hours of its recipient are open at a slot; else it waits with the others of its zones, or has no opening left.
local function within_zones(o, slot)
  local opens, closes = zone.opening(o.campaign, o.zones, slot)
  if closes == 0 then
    outcomes.finish(o, now, 'expired', { words = 'no opening of its campaign\'s window is left' }, retention)
  elseif opens > slot then
    lanes.enter(o, true, now)
    zone.place(o.lane, o.campaign, o.zones, slot)
  end
  return closes ~= 0 and opens <= slot
end

-- Why an operation whose turn has come ends without a call, or nil.
local function too_late(o, slot)
  if o.look_up then return nil end
  if not o.zones and campaign.shut(o.campaign) then return 'no opening of its campaign\'s window is left' end
  if o.valid_until and tonumber(o.valid_until) <= slot then return 'its valid_until passed before its turn came' end
  return nil
end

-- Whether its recipient may have one more bulk message; else it has its outcome.
local function is_welcome(a, o, slot)
  local code, words = nil, nil
  if contacts.concerns(a, o) then code, words = contacts.bars(a, o, slot) end
  if code then outcomes.finish(o, now, 'suppressed', { code = code, words = words }, retention) end
  return code == nil
end

-- Whether the operation may have the slot; else it was put where it waits, or has its outcome.
local function may_leave(a, o, slot)
  if o.cancelled_because and cancelled.ends(o, now, retention) then return false end
  local late = too_late(o, slot)
  if late then
    outcomes.finish(o, now, 'expired', { words = late }, retention)
    return false
  end
  local barred = suppression.bars(a, o)
  if barred then
    outcomes.finish(o, now, 'suppressed', { code = 'listed', words = barred }, retention)
    return false
  end
  local ahead = (aside[a.name] or tonumber(a.aside or 0) > 0) and redis.call('HGET', o.lane .. ':h', o.pair)
  if ahead and ahead ~= o.id then
    redis.call('RPUSH', o.lane .. ':k:' .. o.pair, o.id)
    return false
  end
  if o.zones and not o.look_up and not within_zones(o, slot) then return false end
  return (not o.openings or o.look_up or within_window(o, slot)) and (not o.follows or may_follow(o)) and within_budgets(a, o, slot)
    and is_welcome(a, o, slot)
end

-- Slots that nothing but the hop binds lie apart by what a call costs: so many calls at one instant would all but one be late.
local function apart() return math.floor(spread * #granted / 3) end

-- The next operation of the account that may be sent, its slot, and whether its lane holds more. Nil when there is none; then 'none'
-- when nothing is ready, or nil when the next slot is too far ahead.
local function next_operation(a)
  local soonest, latest = math.max(now + HOP + apart(), a.paused_until), now + lead_of(a) + apart()
  repeat
    if slots.next(a, soonest) > latest then return nil end
    -- Taken out of the ready lanes: it is either busy from now on, or put back where it belongs.
    local sender, since = unpack(redis.call('ZPOPMIN', a.key .. ':r'))
    if not sender then return nil, 'none' end
    local transactional = tonumber(since) < BULK
    local slot = slots.next(a, soonest, not transactional)
    if slot > latest then
      redis.call('ZADD', a.key .. ':r', since, sender)
      return nil
    end

    local id, more = lanes.leave(a.name, key.lane(a.name, sender), transactional, slot)
    local o = id and load_operation(id)
    if o and o.state == 'w' and may_leave(a, o, slot) then return o, slot, more end
    lanes.refresh(a.name, sender, now)
    work.spend('skip')
  until work.over()
  return nil
end

-- The account's own figures are read at a slot of its bucket, like any call.
local function ask_info(a)
  if not may_ask_info(a) or a.info_at > now or (breaker_awake and breaker.others_from() > now) then return end
  local slot = slots.next(a, math.max(now + HOP, a.paused_until))
  if slot > now + LEAD then return end
  bucket.take(a, slot)
  a.info_at = now + INFO_AGAIN
  redis.call('HSET', a.key, 'info_at', int(a.info_at), 'info_slot', int(slot))
  infos[#infos + 1] = { a.name, int(slot) }
end

local function grant(a, o, slot)
  work.spend('grant')
  bucket.take(a, slot)
  if has_budget(a, o) then budget.spend(a, o, slot) end
  if o.priority == 'b' then campaign.took(o, slot) end
  if breaker_awake then breaker.probing(o.id, now) end
  local token = int(tonumber(o.token or 0) + 1)
  redis.call('HSET', o.key, field.o.state, 'g', field.o.token, token, field.o.slot, int(slot), field.o.jumps, jumps)
  if contacts.concerns(a, o) then contacts.take(a, o, slot, now) end
  flights[#flights + 1], flights[#flights + 2] = int(slot + GRANT_LEASE), o.id
  redis.call('HSET', o.lane, field.l.in_flight, o.id)
  if a.probe == 'due' then throttling.set_probe(a, o.id) end
  granted[#granted + 1] = o.id
  granted[#granted + 1] = token
  granted[#granted + 1] = int(slot)
end

local room

-- How many more operations may leave, as far as the provider's breaker lets them.
local function provider_room() return breaker_awake and breaker.room(room, now) or room end

local function visit(name)
  work.spend('visit')
  local a = account_of(name)
  if not a then return redis.call('ZREM', key.due, name) end
  ask_info(a)
  local ready = nil
  while provider_room() > 0 and not a.suspended and a.recheck <= now and (not a.probe or a.probe == '' or a.probe == 'due') do
    local o, slot, more = next_operation(a)
    if not o then
      ready = slot or ready
      break
    end
    grant(a, o, slot)
    room = room - 1
    -- Its lane is busy, but a place in the index that is early saves the one who settles it from writing one.
    ready = more and 'b' or nil
    if work.over() then break end
  end
  reschedule(a, now, ready, true)
end

local function head(index) return tonumber(redis.call('ZRANGE', index, 0, 0, 'WITHSCORES')[2]) end
local function is_over(time) return time and time <= now end
local first_lease, first_timer, first_due, in_flight = head(key.in_flight), head(key.timers), head(key.due), redis.call('ZCARD', key.in_flight)

-- Each part has a third of the budget, and what the parts before it left.
local third, unfinished, swept_back = math.floor(work.left / 3), false, 0
work.left = third
local leases_over, timers_over = is_over(first_lease), is_over(first_timer)
if leases_over then swept_back = leases.sweep(now, retention, grace, account_of, touched, living) end
unfinished = work.over()
work.left = work.left + third
if timers_over then fire_timers() end
unfinished = unfinished or work.over()
for _, a in pairs(touched) do reschedule(a, now) end
work.left = work.left + third

if leases_over or timers_over then
  first_due, in_flight = head(key.due), redis.call('ZCARD', key.in_flight)
end
local full = capacity - in_flight
room = math.min(most, full)
local provider_from = breaker_awake and breaker.provider().pause_end
if full > 0 and is_over(first_due) and not (provider_from and provider_from > now) then
  local names = redis.call('ZRANGEBYSCORE', key.due, '-inf', int(now), 'LIMIT', 0, work.number('visit', MOST_ACCOUNTS))
  dues = {}
  -- A fault in one visit must not cost the leases of those before it: nothing else would give them back.
  local is_done, fault = pcall(function()
    for _, name in ipairs(names) do
      if work.over() or (room <= 0 and most > 0) then break end
      visit(name)
    end
  end)
  if #flights > 0 then redis.call('ZADD', key.in_flight, unpack(flights)) end
  if #dues > 0 then redis.call('ZADD', key.due, unpack(dues)) end
  if not is_done then error(fault, 0) end
  first_due = head(key.due)
end

-- What this call wrote is earlier, perhaps.
if leases_over then first_lease = head(key.in_flight) end
for i = 3, #granted, 3 do first_lease = math.min(first_lease or math.huge, granted[i] + GRANT_LEASE) end
if timers_over or timers.first then first_timer = head(key.timers) end
local following = first_due
if following and breaker_awake and breaker.provider().pause_end then following = math.max(following, breaker.provider().pause_end) end
for _, other in ipairs({ first_timer or false, first_lease or false }) do
  if other and (not following or other < following) then following = other end
end
return { int(now), following and int(following) or '', swept_back, (#settled > 0 and cjson.encode(settled) or '[]'), provider_room(), restarted,
  #infos > 0 and cjson.encode(infos) or '[]', (unfinished or work.over()) and '1' or '0', int(in_flight + #granted / 3), unpack(granted) }
