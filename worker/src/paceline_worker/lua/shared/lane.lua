-- Lanes: what may send, entering and leaving, waiting for a time.
--@include keys.lua
--@include shared/meta.lua
--@include shared/account.lua
--@include shared/operation.lua
--@include sources.lua
--@include shared/campaigns.lua
local lanes = {}
-- Of a script that ends many leases and asks for none: those that it ends together. One that is left over when a script fails is ended
-- when it runs out.
local released = nil
seldom(lanes, function()
  -- Bulk sources of a lane passed over in one visit, because they may not send now.
  local SKIPS = 100

  -- A sender that is busy or paused is ready for nothing.
  function lanes.not_ready(account, sender)
    redis.call('ZREM', key.account(account) .. ':r', sender)
  end

  -- Put the lane where its work and its pauses say: among those that may send, or not. `freed`: the sender was busy, so the lane is not
  -- among them. Returns 't' when transactional work is ready, 'b' when bulk work is, or nil.
  function lanes.refresh(account, sender, now, freed)
    local lane, ready = key.lane(account, sender), key.account(account) .. ':r'
    -- One question for three keys: a key counts as often as it is named.
    local there = redis.call('EXISTS', lane .. ':t', lane .. ':w', lane .. ':w', lane, lane, lane, lane)
    if there >= 4 then
      local busy, paused_until = unpack(redis.call('HMGET', lane, field.l.in_flight, field.l.paused_until))
      if (busy and not freed) or (paused_until and tonumber(paused_until) > now) then
        if not freed then lanes.not_ready(account, sender) end
        return nil
      end
    end

    if there % 2 == 1 then
      redis.call('ZADD', ready, 'LT', int(now), sender)
      return 't'
    end

    local since = not freed and tonumber(redis.call('ZSCORE', ready, sender) or nil)
    if there % 4 >= 2 then
      if not since or since < BULK then redis.call('ZADD', ready, int(now + BULK), sender) end
      return 'b'
    end
    if since then lanes.not_ready(account, sender) end
    return nil
  end

  -- Put an operation into its lane, at the tail (new work) or at the head (it had its turn and could not use it).
  function lanes.enter(o, at_head, now)
    local push = at_head and 'LPUSH' or 'RPUSH'
    if o.priority == 't' then
      redis.call(push, o.lane .. ':t', o.id)
      return
    end
    local was_empty
    if o.zones and o.source ~= '-' then
      was_empty = zone.push(o.lane, o.campaign, o.zones, at_head, now + HOP, { o.id })
    else
      was_empty = redis.call(push, key.bulk(o.lane, o.source), o.id) == 1
    end
    if was_empty then campaign.offer(o.account, o.lane, o.source, now) end
  end

  -- Take the next operation of a lane that may have a slot, or nil; bulk sources take turns. Also whether the lane holds more.
  function lanes.leave(account, lane, transactional, slot)
    if transactional then return redis.call('LPOP', lane .. ':t'), redis.call('EXISTS', lane .. ':t') == 1 end
    for _ = 1, SKIPS do
      local name = source.first(lane)
      if not name then return nil, false end
      if campaign.may_send(account, lane, name, slot) then
        local id = campaign.pop(lane, name, slot)
        -- Alone in the lane, it can take nobody's turn by coming back.
        local left = campaign.has_work(lane, name) or (id and redis.call('ZCARD', lane .. ':w') > 1)
        if not left then source.leave(lane, name) end
        if id then return id, left end
      end
    end
    return nil, false
  end

  -- Let an operation wait for a time, at no cost meanwhile. `kind`: 'n' not before, 'o' back-off, 'v' follows operation `seq`, and the
  -- time is its valid_until. `seq` orders equal times.
  function lanes.wait_until(account, kind, seq, id, at)
    redis.call('ZADD', key.account(account) .. ':tm', int(at), kind .. ':' .. seq .. ':' .. id)
    timers.set(account, at)
  end

  -- Pause a sender. `why`: 'busy', 'budget', 'followers'.
  function lanes.pause_sender(o, until_then, why)
    redis.call('HSET', o.lane, field.l.paused_until, int(until_then), field.l.paused_because, why)
    redis.call('ZADD', key.account(o.account) .. ':sp', int(until_then), o.sender)
    timers.set(o.account, until_then)
  end

  -- The list of its lane in which an operation waits, or would.
  function lanes.list_of(o)
    if o.priority == 't' then return o.lane .. ':t' end
    if o.zones and o.source ~= '-' then return zone.list(o.lane, o.campaign, o.zones) end
    return key.bulk(o.lane, o.source)
  end

  -- Take a waiting operation out of wherever it waits: the late answer of an earlier call has settled it.
  function lanes.withdraw(o)
    if redis.call('ZREM', key.account(o.account) .. ':tm', 'o:0:' .. o.id) == 1 then return end
    if redis.call('LREM', o.lane .. ':k:' .. o.pair, 1, o.id) == 1 then return end
    if redis.call('LREM', lanes.list_of(o), 1, o.id) == 0 and o.campaign then
      redis.call('LREM', o.zones and zone.list(o.lane, o.campaign, o.zones) or key.bulk(o.lane, o.campaign), 1, o.id)
    end
  end

  -- Free the sender and end the lease of an operation in flight.
  function lanes.release(o, now)
    if released then
      if o.is_released or (o.state ~= 'g' and o.state ~= 's') then return end
      o.is_released = true
      released[#released + 1] = o.id
    elseif redis.call('ZREM', key.in_flight, o.id) == 0 then
      return
    end
    redis.call('HDEL', o.lane, field.l.in_flight)
  end

  -- What waited behind an operation in back-off, to the same recipient, goes on in its old order: the first of them to the head of
  -- the lane, and the others wait behind it. So the end of a back-off costs the same however many wait.
  function lanes.unpark(o, now)
    if not o.set_aside or redis.call('HGET', o.lane .. ':h', o.pair) ~= o.id then return end
    local parked = o.lane .. ':k:' .. o.pair
    local id = redis.call('LPOP', parked)
    if id and redis.call('EXISTS', parked) == 1 then
      redis.call('HSET', o.lane .. ':h', o.pair, id)
      redis.call('HSET', key.operation(id), field.o.words, 'earlier messages to the same recipient leave first', field.o.set_aside, '1')
    else
      redis.call('HDEL', o.lane .. ':h', o.pair)
      redis.call('HINCRBY', key.account(o.account), 'aside', -1)
    end
    if not id then return end
    local zones = o.zones and redis.call('HGET', key.operation(id), field.o.zones) or nil
    lanes.enter({
      id = id, [field.o.account] = o.account, [field.o.priority] = o.priority, [field.o.campaign] = o.campaign, [field.o.zones] = zones or nil,
      source = o.campaign or '-', lane = o.lane,
    }, true, now)
  end
end)
