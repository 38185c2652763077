-- A campaign in its recipients' own hours: each set of time zones has a list of its own, and opens and closes on its own, so that no
-- operation stands in the way of others that may leave. Whatever waits, a turn costs the same.
--
-- c:<name>:z  per set of zones `<zone>:words` its names, `<zone>:openings` those to come, `<zone>:opens` and `<zone>:closes` the one
--             that is or comes next (us); closes 0: none is left
-- Of the sets with work in a lane, those that are open stand in one index by when they close, because what closes first leaves first;
-- the others stand in another by when they open. A set without an opening stands among the open ones: what is in it expires.
--@include keys.lua
--@include openings.lua
local zone = {}
seldom(zone, function()
  -- After any time that there is.
  local NEVER = 9000000000000000
  -- Sets looked at in one turn.
  local MOST_SETS = 400

  function zone.list(lane, name, z) return key.bulk(lane, name .. ':' .. z) end
  local function open_ones(lane, name) return lane .. ':zo:' .. name end
  local function shut_ones(lane, name) return lane .. ':zs:' .. name end

  -- Whether an operation of the campaign waits in the lane.
  function zone.has_work(lane, name) return redis.call('EXISTS', open_ones(lane, name), shut_ones(lane, name)) > 0 end

  -- The opening of a set that is, or comes next, at a time. `closes` 0: there is none.
  function zone.opening(name, z, at)
    local home = key.campaign(name) .. ':z'
    local opens, closes = unpack(redis.call('HMGET', home, z .. ':opens', z .. ':closes'))
    if closes and (closes == '0' or tonumber(closes) > at) then return tonumber(opens), tonumber(closes) end
    local rest
    opens, closes, rest = next_opening(redis.call('HGET', home, z .. ':openings') or '', at)
    opens, closes = opens or '0', closes or '0'
    redis.call('HSET', home, z .. ':opens', opens, z .. ':closes', closes, z .. ':openings', rest or '')
    return tonumber(opens), tonumber(closes)
  end

  -- Put a set with work where it belongs at a time.
  function zone.place(lane, name, z, at)
    local opens, closes = zone.opening(name, z, at)
    local is_open = closes == 0 or opens <= at
    redis.call('ZREM', is_open and shut_ones(lane, name) or open_ones(lane, name), z)
    redis.call('ZADD', is_open and open_ones(lane, name) or shut_ones(lane, name), int(closes == 0 and NEVER or is_open and closes or opens), z)
  end

  -- Put operations into the list of their set; whether it was empty.
  function zone.push(lane, name, z, at_head, at, ids)
    local was_empty = redis.call(at_head and 'LPUSH' or 'RPUSH', zone.list(lane, name, z), unpack(ids)) == #ids
    if was_empty then zone.place(lane, name, z, at) end
    return was_empty
  end

  -- The set that may leave at a time and closes first, or nil; then the time at which the first one opens, or nil: nothing waits.
  function zone.first(lane, name, at)
    for _ = 1, MOST_SETS do
      local z, opens = unpack(redis.call('ZRANGE', shut_ones(lane, name), 0, 0, 'WITHSCORES'))
      if not z or tonumber(opens) > at then break end
      zone.place(lane, name, z, at)
    end
    for _ = 1, MOST_SETS do
      local z, closes = unpack(redis.call('ZRANGE', open_ones(lane, name), 0, 0, 'WITHSCORES'))
      if not z then break end
      if tonumber(closes) > at then return z end
      zone.place(lane, name, z, at)
    end
    local opens = redis.call('ZRANGE', shut_ones(lane, name), 0, 0, 'WITHSCORES')[2]
    return nil, tonumber(opens or nil)
  end

  -- From when on something of the campaign may leave: a time itself, or later. The time is a slot: what opens until then counts as open.
  function zone.free_from(lane, name, at)
    local z, opens = zone.first(lane, name, at)
    return z and at or opens or at
  end

  local function forget_empty(lane, name, z)
    if redis.call('EXISTS', zone.list(lane, name, z)) == 1 then return end
    redis.call('ZREM', open_ones(lane, name), z)
    redis.call('ZREM', shut_ones(lane, name), z)
  end

  -- The next operation that may leave at a time, or nil.
  function zone.pop(lane, name, at)
    for _ = 1, MOST_SETS do
      local z = zone.first(lane, name, at)
      if not z then return nil end
      local id = redis.call('LPOP', zone.list(lane, name, z))
      forget_empty(lane, name, z)
      if id then return id end
    end
  end

  -- Some of the operations, whenever they may leave.
  function zone.pop_any(lane, name, most)
    local z = redis.call('ZRANGE', open_ones(lane, name), 0, 0)[1] or redis.call('ZRANGE', shut_ones(lane, name), 0, 0)[1]
    if not z then return {} end
    local ids = redis.call('LPOP', zone.list(lane, name, z), most) or {}
    forget_empty(lane, name, z)
    return ids
  end

  -- The hours of a campaign have changed: each set with work to its new place.
  function zone.replace_all(lane, name, at)
    for _, index in ipairs({ open_ones(lane, name), shut_ones(lane, name) }) do
      for _, z in ipairs(redis.call('ZRANGE', index, 0, -1)) do zone.place(lane, name, z, at) end
    end
  end

  -- Whether a set with work is open; changes nothing.
  function zone.is_open(lane, name, at) return redis.call('ZCOUNT', open_ones(lane, name), '(' .. int(at), '+inf') > 0 end

  -- How many operations wait in a lane, by set.
  function zone.waiting(lane, name)
    local counts = {}
    for _, index in ipairs({ open_ones(lane, name), shut_ones(lane, name) }) do
      for _, z in ipairs(redis.call('ZRANGE', index, 0, -1)) do counts[z] = redis.call('LLEN', zone.list(lane, name, z)) end
    end
    return counts
  end
end)
