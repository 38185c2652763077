-- Whom an account wrote to lately in bulk: for its recipient cap, and for campaigns that leave out recipients of others (`--not-within`).
-- Only of accounts that remember (`remember`, us). A hash has the times (s) of the last bulk messages to each number. When all of it
-- is older than `remember`, it takes the place of the one before, which has nothing left that counts; both expire when nobody writes.
--@include keys.lua
--@include shared/campaigns.lua
--@include contacted.lua
local contacts = {}

-- Whether an operation is to be looked at: one that was counted has its place (`counted_at`, the time that was noted).
function contacts.concerns(a, o)
  return a.remember and o.priority == 'b' and not o.counted_at and not o.look_up and string.byte(o.to) == 43 and o.kind ~= 'number.check'
    and o.kind ~= 'message.delete'
end

seldom(contacts, function()
  local MOST_TIMES = 20

  -- Why an operation must not have a slot: a code and words; or nil.
  function contacts.bars(a, o, slot)
    local list, c = key.contacts(a.name), o.campaign and campaign.of(o.campaign) or {}
    local text = redis.call('HGET', list, o.to) or redis.call('HGET', list .. ':old', o.to)
    o.times = contacted.times(text, slot - tonumber(a.remember))
    local code = contacted.objection(o.times, slot, c.silence, a.recipient_limit)
    if code == 'recent' then return code, 'its recipient had a bulk message of the account within ' .. c.not_within end
    if code == 'cap' then return code, 'its recipient had as many bulk messages as the recipient cap of the account allows' end
    return nil
  end

  -- Where times are noted now: perhaps another hash than before.
  local function turn(a, now)
    local list = key.contacts(a.name)
    if a.noted and now - tonumber(a.noted) < tonumber(a.remember) then return list end
    if a.noted then redis.call('UNLINK', list .. ':old') end
    if a.noted and redis.call('EXISTS', list) == 1 then
      redis.call('RENAME', list, list .. ':old')
      redis.call('PEXPIRE', list .. ':old', int(tonumber(a.remember) / 1000))
    end
    a.noted = int(now)
    redis.call('HSET', a.key, 'noted', a.noted)
    return list
  end

  -- Note that an operation has a slot, and that it was counted.
  function contacts.take(a, o, slot, now)
    local list = turn(a, now)
    local second = int(math.floor(slot / 1000000))
    local times = o.times or {}
    times[#times + 1] = second
    redis.call('HSET', list, o.to, table.concat(times, ',', math.max(1, #times - MOST_TIMES + 1)))
    redis.call('PEXPIRE', list, int(tonumber(a.remember) / 500))
    redis.call('HSET', o.key, field.o.counted_at, second)
  end

  -- It did not reach its recipient after all.
  function contacts.give_back(o)
    for _, list in ipairs({ key.contacts(o.account), key.contacts(o.account) .. ':old' }) do
      local text = redis.call('HGET', list, o.to)
      local left, gone = {}, false
      for second in string.gmatch(text or '', '%d+') do
        if second == o.counted_at and not gone then gone = true else left[#left + 1] = second end
      end
      if gone and #left == 0 then redis.call('HDEL', list, o.to) end
      if gone and #left > 0 then redis.call('HSET', list, o.to, table.concat(left, ',')) end
      if gone then break end
    end
    redis.call('HDEL', o.key, field.o.counted_at)
  end
end)
