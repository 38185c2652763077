-- What a dispatcher does for a campaign at its time: let in what was scheduled, open its window, give back what a cancelled one
-- held, and write down its end. Each visit does a bounded part; the rest waits for the next one.
--@include shared/moves.lua
--@include shared/work.lua
--@include shared/pools.lua
--@include openings.lua
local attend = {}
seldom(attend, function()
  -- So long is the pause after a part of a cancelled campaign was deleted.
  local REAP_PAUSE = 10000
  local MOST_REAPED, MOST_LET_IN, MOST_HANDED_OVER = 250, 200, 50

  -- The next opening that is not over.
  local function advance_window(name, now)
    local c = campaign.of(name)
    if not c.window or (c.closes and (c.closes == '0' or tonumber(c.closes) > now)) then return end
    local opens, closes, rest = next_opening(redis.call('HGET', key.campaign(name), 'openings') or '', now)
    c.opens, c.closes = opens or '0', closes or '0'
    redis.call('HSET', key.campaign(name), 'opens', c.opens, 'closes', c.closes, 'openings', rest or '')
  end

  -- The end of an operation's wait for its not_before: to the tail of its source.
  local function enter(a, c, name, id, now)
    local sender, z = c.sender, nil
    if c.zoned or c.weighted_senders then
      local own = redis.call('HMGET', key.operation(id), field.o.sender, field.o.zones)
      sender, z = own[1] or sender, own[2]
    end
    local lane = key.lane(a.name, sender)
    if z then zone.push(lane, name, z, false, now + HOP, { id }) else redis.call('RPUSH', key.bulk(lane, name), id) end
  end

  -- Those whose not_before has come, to the tail of their source.
  local function let_in(a, name, now)
    local c = campaign.of(name)
    local timers = key.campaign(name) .. ':tm'
    for _, member in ipairs(redis.call('ZRANGEBYSCORE', timers, '-inf', int(now), 'LIMIT', 0, work.number('let_in', MOST_LET_IN))) do
      work.spend('let_in')
      redis.call('ZREM', timers, member)
      enter(a, c, name, string.match(member, '[^:]+$'), now)
    end
    local following = redis.call('ZRANGE', timers, 0, 0, 'WITHSCORES')[2]
    if following then campaign.wake(a.name, name, math.max(now, tonumber(following))) end
  end

  -- Cancel a waiting operation: without a trace, unless it has a story, or somebody waits for its outcome. One of unknown outcome may have
  -- arrived: it is looked up all the same.
  local function cancel_one(id, a, name, now, retention, unreached)
    local state, token, look_up, has_followers, words, to, row_key = unpack(redis.call('HMGET', key.operation(id), field.o.state, field.o.token, field.o.look_up, field.o.has_followers, field.o.words, 'to', field.o.row_key))
    if state ~= 'w' then return 0 end
    -- words: it was set aside, and others may wait behind it. A deleted campaign has sent nothing, so nothing is remembered.
    if not has_followers and not words and (not token or campaign.of(name).doomed) then
      redis.call('UNLINK', key.operation(id))
      unreached[#unreached + 1] = { id, to, row_key or '' }
      return 1
    end
    local o = load_operation(id)
    if look_up then
      lanes.enter(o, false, now)
      lanes.refresh(a.name, o.sender, now)
    else
      outcomes.finish(o, now, 'cancelled', { words = 'its campaign was cancelled' }, retention)
    end
    return 0
  end

  -- Some of a campaign's waiting operations, out of their lists or their timers.
  local function pop_waiting(a, name, timers, most)
    for _, sender in ipairs(campaign.senders(name)) do
      local lane = key.lane(a.name, sender)
      local ids = campaign.of(name).zoned and zone.pop_any(lane, name, most) or redis.call('LPOP', key.bulk(lane, name), most) or {}
      if #ids > 0 then return ids end
    end
    local ids = {}
    local members = redis.call('ZPOPMIN', timers, most)
    for i = 1, #members, 2 do ids[#ids + 1] = string.match(members[i], '[^:]+$') end
    return ids
  end

  local function reap(a, name, now, retention)
    local c = campaign.of(name)
    local timers = key.campaign(name) .. ':tm'
    for _, sender in ipairs(campaign.senders(name)) do source.leave(key.lane(a.name, sender), name) end
    local gone, unreached = 0, {}
    -- The end of one may let in another that waited behind it.
    repeat
      local ids = pop_waiting(a, name, timers, work.number('reap', MOST_REAPED))
      for _, id in ipairs(ids) do
        work.spend('reap')
        gone = gone + cancel_one(id, a, name, now, retention, unreached)
      end
    until #ids == 0 or work.over()
    campaign.tell_unreached(a.name, name, unreached, now)
    if gone > 0 then
      count({ [field.o.account] = a.name, [field.o.campaign] = name }, 'cancelled', gone)
      settled[#settled + 1] = { a.name, c.kind, 'cancelled', gone }
      campaign.count_left(a.name, name, -gone, now)
    end
    local more = redis.call('EXISTS', timers) == 1
    for _, sender in ipairs(campaign.senders(name)) do more = more or campaign.has_work(key.lane(a.name, sender), name) end
    if more then campaign.wake(a.name, name, now + REAP_PAUSE) end
  end

  -- Delete a campaign that has sent nothing, with those of its operations that have an outcome: lists held them back at acceptance.
  local function erase(a, name, now)
    local record = key.campaign(name) .. ':out'
    for _, entry in ipairs(redis.call('XRANGE', record, '-', '+', 'COUNT', work.number('reap', MOST_REAPED))) do
      work.spend('reap')
      for i = 1, #entry[2], 2 do
        local k = entry[2][i] == 'id' and key.operation(entry[2][i + 1])
        if k and redis.call('HGET', k, field.o.campaign) == name then redis.call('UNLINK', k) end
      end
      redis.call('XDEL', record, entry[1])
    end
    if redis.call('XLEN', record) > 0 then return campaign.wake(a.name, name, now + REAP_PAUSE) end
    redis.call('UNLINK', key.campaign(name), key.campaign(name) .. ':tm', record, key.campaign(name) .. ':z')
    redis.call('SREM', key.campaigns, name)
    redis.call('SREM', a.key .. ':c', name)
    redis.call('ZREM', a.key .. ':tm', 'c:0:' .. name)
  end

  -- All that was uploaded has its outcome: the campaign's numbers are final.
  local function complete(a, name, now, retention)
    local c = fields(key.campaign(name), { 'sealed', 'inbox', 'left', 'completed_at', 'hold', 'written', 'cancelled' })
    if c.completed_at or tonumber(c.left or 0) > 0 or tonumber(c.inbox or 0) > 0 then return end
    if c.sealed ~= '1' and c.hold ~= 'cancelled' then return end
    if campaign.of(name).doomed then return erase(a, name, now) end
    campaign.write(name, 'completed_at', int(now))
    local is_first = redis.call('HSETNX', key.campaign(name), 'ended', '1') == 1
    if campaign.of(name).zoned then redis.call('PEXPIRE', key.campaign(name) .. ':z', retention) end
    redis.call('SREM', a.key .. ':c', name)
    redis.call('ZREM', a.key .. ':tm', 'c:0:' .. name)
    local cancelled = c.hold == 'cancelled'
    outcomes.announce({
      id = '', [field.o.account] = a.name, [field.o.campaign] = name, [field.o.kind] = 'campaign',
      [field.o.accepted_at] = redis.call('HGET', key.campaign(name), 'created'), to = '',
    }, now, cancelled and 'cancelled' or 'complete', { count = (cancelled and c.cancelled or c.written) or '0', first = is_first }, retention)
  end

  function attend.campaign(a, name, now, retention)
    local c = campaign.of(name)
    if not c.account then return end
    if c.hold == 'cancelled' then
      reap(a, name, now, retention)
    elseif not c.hold then
      if not c.zoned then advance_window(name, now + HOP) end
      let_in(a, name, now)
      local rezoned = c.zoned and redis.call('HDEL', key.campaign(name), 'rezoned') == 1
      for _, sender in ipairs(campaign.senders(name)) do
        local lane = key.lane(a.name, sender)
        if rezoned then zone.replace_all(lane, name, now + HOP) end
        if not campaign.has_work(lane, name) then
          -- Nothing is to be done here.
        elseif not campaign.lacks_sender(lane, name) then
          campaign.offer(a.name, lane, name, now)
        elseif c.on_failure ~= 'stop' then
          if pool.hand_over_some(a.name, name, sender, work.number('hand_over', MOST_HANDED_OVER), now) then
            campaign.wake(a.name, name, now + REAP_PAUSE)
          end
        end
        lanes.refresh(a.name, sender, now)
      end
    end
    complete(a, name, now, retention)
  end
end)
