-- Leases that ran out: what becomes of an operation that a worker was granted and did not settle in time.
--
-- A lease that ends before begin: nothing was sent, the operation goes back to its lane. A lease that ends after it: the outcome is
-- unknown, unless the call only looked something up.
--@include shared/moves.lua
--@include shared/work.lua
local leases = {}
seldom(leases, function()
  -- Of one call of a script.
  local MOST = 50
  local UNHEARD = 'the worker did not report back before its lease ran out'

  -- Whether the worker that began it is gone: a worker that lives says so (heartbeat.lua) more often than leases end. Of several shards
  -- only one has the heartbeats; elsewhere the granter tells who lives.
  local function lost_worker(o, living)
    local owner = string.match(o.question or '', '^(.*)|%d+$')
    if not owner then return false end
    if living ~= '' then return not string.find(living, ' ' .. owner .. ' ', 1, true) end
    return redis.call('HEXISTS', key.workers, owner) == 0
  end

  -- End one lease. Returns whether the operation was given back before its call began.
  local function expire(o, a, now, retention, grace, living)
    local lost = o.state == 's' and lost_worker(o, living)
    if o.state == 's' and not o.look_up then
      if lost then o.lost_workers = redis.call('HINCRBY', o.key, field.o.lost_workers, 1) end
      moves.unknown(o, now, UNHEARD, retention, grace)
      if breaker_awake then breaker.not_probed(o.id, now) end
      return false
    end

    if o.state == 's' and redis.call('HINCRBY', o.key, field.o.looks, lost and LOST_LOOK or 1) >= MOST_LOOKS then
      outcomes.finish(o, now, 'held', { code = 'unknown', words = UNHEARD }, retention)
      if breaker_awake then breaker.not_probed(o.id, now) end
      return false
    end

    moves.give_back(o, now, a, o.state == 'g')
    return o.state == 'g'
  end

  -- End the leases that ran out, as far as the budget goes; returns how many were given back before begin.
  -- `account_of`: an account by its name, or false; `touched`: gets the accounts that are to be rescheduled; `living`: as grant.lua is told.
  function leases.sweep(now, retention, grace, account_of, touched, living)
    local given_back = 0
    for _, id in ipairs(redis.call('ZRANGEBYSCORE', key.in_flight, '-inf', int(now), 'LIMIT', 0, work.number('lease', MOST))) do
      work.spend('lease')
      local o = load_operation(id)
      if o then
        local a = account_of(o.account)
        if expire(o, a, now, retention, grace, living) then given_back = given_back + 1 end
        lanes.refresh(o.account, o.sender, now)
        if a then
          if a.probe == id then throttling.set_probe(a, 'due') end
          touched[a.name] = a
        end
      else
        redis.call('ZREM', key.in_flight, id)
      end
      if work.over() then break end
    end
    return given_back
  end
end)
