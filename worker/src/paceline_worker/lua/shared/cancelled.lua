-- One operation that was cancelled alone (cancel.lua): out of where it waits, and it has its outcome.
--@include shared/moves.lua
local cancelled = {}
seldom(cancelled, function()
  -- A longer list is not searched: its turn comes, and `cancelled.ends` ends it then.
  local LONGEST_SEARCHED = 20000

  -- Out of the timers that it may wait in; whether it was there.
  local function out_of_timers(o)
    local seq = (o.sequence or '0') .. ':' .. o.id
    if redis.call('ZREM', key.account(o.account) .. ':tm', 'n:' .. seq, 'o:0:' .. o.id) > 0 then return true end
    if o.campaign and redis.call('ZREM', key.campaign(o.campaign) .. ':tm', seq) > 0 then return true end
    if not o.follows or redis.call('ZREM', key.account(o.account) .. ':tm', 'v:' .. o.follows .. ':' .. o.id) == 0 then return false end
    redis.call('LREM', key.followers(o.follows), 1, o.id)
    return true
  end

  local function finish_it(o, now, retention)
    outcomes.finish(o, now, 'cancelled', { code = 'cancelled', words = 'cancelled: ' .. o.cancelled_because }, retention)
  end

  -- A dispatcher attends to it. begin.lua refuses a granted operation, which calls for this again.
  function cancelled.attend(id, now, retention)
    local o = load_operation(id)
    if not o or not o.cancelled_because then return nil end
    if o.state == 'g' then timers.set(CANCELLED .. id, now + GRANT_LEASE) end  -- when its worker does not ask begin.lua
    if o.state ~= 'w' then return nil end
    if not out_of_timers(o) then
      if redis.call('LLEN', lanes.list_of(o)) > LONGEST_SEARCHED then return nil end
      lanes.withdraw(o)
    end
    finish_it(o, now, retention)
    lanes.refresh(o.account, o.sender, now)
    return o.account
  end

  -- Its turn came before somebody attended to it: it has its outcome now.
  function cancelled.ends(o, now, retention)
    if not o.cancelled_because or o.look_up then return false end
    finish_it(o, now, retention)
    return true
  end
end)
