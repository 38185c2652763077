-- Daily ramps: how many messages for campaigns with a ramp (`ramp` of c:<name>, "20 40 80") a number sends on each of its first days.
--
-- Day 1 of a number begins with its first such message, and each day has 24 hours; the last figure holds for all later days. The day and
-- its count belong to the number (`ramp_began`, `ramp_day`, `ramp_sent` of its lane): campaigns share them, because a number is new once.
-- A message counts when its call begins, on the day of its slot, and no longer when it is certain that the call sent nothing. A lane has one
-- operation in flight at the most, so nobody is granted a place that another one is about to take.
--@include keys.lua
local ramp = {}
seldom(ramp, function()
  local DAY = 86400000000

  -- The day of a slot, from 1.
  local function day_of(began, slot) return math.max(1, math.floor((slot - tonumber(began)) / DAY) + 1) end

  -- The figure of a day.
  local function most_on(figures, day)
    local number, most = 0, nil
    for figure in string.gmatch(figures, '%d+') do
      number, most = number + 1, tonumber(figure)
      if number == day then break end
    end
    return most
  end

  -- The earliest time from a slot on at which a lane may send one message more.
  function ramp.free_from(lane, figures, slot)
    local began, day, sent = unpack(redis.call('HMGET', lane, field.l.ramp_began, field.l.ramp_day, field.l.ramp_sent))
    if not began then return slot end
    local today = day_of(began, slot)
    if today ~= tonumber(day) or tonumber(sent) < most_on(figures, today) then return slot end
    return tonumber(began) + today * DAY
  end

  -- The call of an operation begins at a slot.
  function ramp.count(o, slot)
    local began, last = unpack(redis.call('HMGET', o.lane, field.l.ramp_began, field.l.ramp_day))
    local today = began and int(day_of(began, slot)) or '1'
    if o.ramp_day == today then return end
    if not began then redis.call('HSET', o.lane, field.l.ramp_began, int(slot)) end
    if last == today then
      redis.call('HINCRBY', o.lane, field.l.ramp_sent, 1)
    else
      redis.call('HSET', o.lane, field.l.ramp_day, today, field.l.ramp_sent, '1')
    end
    redis.call('HSET', o.key, field.o.ramp_day, today)
  end

  -- Its call sent nothing.
  function ramp.give_back(o)
    if redis.call('HGET', o.lane, field.l.ramp_day) == o.ramp_day then
      local left = redis.call('HINCRBY', o.lane, field.l.ramp_sent, -1)
      if left <= 0 and o.ramp_day == '1' then
        redis.call('HDEL', o.lane, field.l.ramp_began, field.l.ramp_day, field.l.ramp_sent)  -- it has sent nothing yet
      end
    end
    redis.call('HDEL', o.key, field.o.ramp_day)
    o.ramp_day = nil
  end
end)
