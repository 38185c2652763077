-- What keeps a campaign's operations back, and what its numbers say. The rest is
-- in attend.lua.
--
-- Fields of c:<name> besides the counts and the options that all its operations share:
--   `hold`     'paused' | 'cancelled', `hold_why`, `hold_at`          `weight`   its share of its sender's turns
--   `window`   local hours (words), `openings` those to come, `opens` and `closes` the current or next opening (us); closes 0: none
--   `cap`      us between two of its operations, `cap_next` the earliest next (us), `rate` the words
--   `auto_pause` pause above so many percent rejected (0 never; 20 unless given), `recent` the last outcomes: 'a' accepted, 'r' rejected
--   `left`     operations accepted and not settled     `completed_at`     `forgets_at` when its first outcome is deleted (us)
--   `tp`       the trace of its upload     `fresh` while no operation was ever begun     `doomed` it is to be deleted when nothing is left
--   `pg`       its seal, written once something of it was begun     `unsealed` from then until it is written
--   `ended`    whether it was complete before
--   `ramp`     most messages of each of its senders on each of its first days (ramp.lua)
--   `zoned`    its window is in the hours of each recipient (zones.lua); `openings` and the like are of each set of zones then
--   `silence`  us in which its recipients must not have had a bulk message of the account, `not_within` the words
--   `approval` 'needed' | 'given', `approved_by`, `approved_at`     `begins_paused` it stays paused when it is approved
--   `keys`     whether its rows have keys (all, some, none)     `slots` what the places of its template mean, unless their names say it
--@include keys.lua
--@include sources.lua
--@include zones.lua
--@include openings.lua
--@include shared/meta.lua
--@include shared/ramp.lua
local campaign = {}
-- What the operations of a campaign have in common.
local COMMON_FIELDS = {
  field.c.account, field.c.sender, field.c.priority, field.c.kind, field.c.valid_until, field.c.max_attempts, field.c.on_unknown, field.c.unknown_letter,
}
-- What else the usual work of a script needs of a campaign, because an absent field costs as much as another; nil: everything.
local needed = nil
seldom(campaign, function()
  local FIELDS = {
    field.c.account, field.c.sender, field.c.priority, field.c.kind, field.c.valid_until, field.c.max_attempts, field.c.on_unknown, field.c.unknown_letter, field.c.template, 'hold', 'weight', 'window', 'opens', 'closes', 'cap', 'cap_next', 'auto_pause',
    'recent', 'forgets_at', 'completed_at', field.c.trace, 'fresh', 'doomed', field.c.silence, 'not_within', 'zoned', field.c.weighted_senders, 'failed', 'on_failure', field.c.seal, 'unsealed', 'ramp',
  }
  -- Outcomes of which the rejected share is taken.
  local RECENT = 100
  local AUTO_PAUSE = 20
  local seen, is_read, at_once = {}, {}, FIELDS
  if needed then
    at_once = { unpack(COMMON_FIELDS) }
    for _, field in ipairs(needed) do at_once[#at_once + 1] = field end
    for _, field in ipairs(at_once) do is_read[field] = true end
  end

  -- Reads the other fields of a campaign when one of them is asked for.
  local LAZY = { __index = function(c, field)
    if is_read[field] then return nil end
    setmetatable(c, nil)
    for other, value in pairs(fields(c.key, FIELDS)) do
      if not is_read[other] and c[other] == nil then c[other] = value end
    end
    return c[field]
  end }

  -- The campaign as a table; read once per script run, or in two parts.
  function campaign.of(name)
    local c = seen[name]
    if not c then
      local k = key.campaign(name)
      c = fields(k, at_once)
      if needed then
        c.key = k
        setmetatable(c, LAZY)
      end
      seen[name] = c
    end
    return c
  end

  function campaign.write(name, field, value)
    campaign.of(name)[field] = value
    redis.call('HSET', key.campaign(name), field, value)
  end

  -- The first instant at or after a slot at which a window is open, of its openings "open-close ..." (us); nil when there is none.
  function campaign.opening_at(openings, slot)
    local opens = next_opening(openings, slot)
    return opens and math.max(slot, tonumber(opens))
  end

  -- Let a dispatcher attend to it at a time.
  function campaign.wake(account, name, at)
    redis.call('ZADD', key.account(account) .. ':tm', 'LT', int(at), 'c:0:' .. name)
    timers.set(account, at)
  end

  -- Its senders: one, unless it has several as "number:weight ..." in `fs`.
  function campaign.senders(name)
    local c = campaign.of(name)
    if not c.weighted_senders then return { c.sender } end
    local senders = {}
    for sender in string.gmatch(c.weighted_senders, '(%+%d+):') do senders[#senders + 1] = sender end
    return senders
  end

  -- Whether the sender of a lane fails, so that what the campaign has there waits, or goes to its other senders (pools.lua).
  function campaign.lacks_sender(lane, name)
    local failed = campaign.of(name).failed
    return failed ~= nil and string.find(failed, ' ' .. string.match(lane, '%+%d+$') .. ' ', 1, true) ~= nil
  end

  -- Whether an operation of a source waits in a lane.
  function campaign.has_work(lane, name)
    if name ~= '-' and campaign.of(name).zoned then return zone.has_work(lane, name) end
    return redis.call('EXISTS', key.bulk(lane, name)) == 1
  end

  -- The next operation of a source that may leave at a slot, or nil.
  function campaign.pop(lane, name, slot)
    if name ~= '-' and campaign.of(name).zoned then return zone.pop(lane, name, slot) end
    return redis.call('LPOP', key.bulk(lane, name))
  end

  -- The time from which its operations may have a slot, as far as its window, its cap and its ramp say.
  function campaign.free_from(lane, name, slot)
    local c = campaign.of(name)
    local from = c.cap and math.max(slot, tonumber(c.cap_next or 0)) or slot
    if c.ramp then from = ramp.free_from(lane, c.ramp, from) end
    -- Not with the time of its cap, which may be taken away: openings that are over by then would be forgotten.
    if c.zoned then return math.max(from, zone.free_from(lane, name, slot)) end
    if not c.window then return from end
    if not c.closes then return slot + 1 end  -- nobody attended to it yet
    if c.closes == '0' then return from end  -- there is no opening left: let them come, and expire
    if from >= tonumber(c.closes) then return math.max(slot + 1, tonumber(c.closes)) end
    return math.max(from, tonumber(c.opens))
  end

  -- Whether the window has no opening left.
  function campaign.shut(name) return name ~= nil and campaign.of(name).closes == '0' and campaign.of(name).window ~= nil end

  -- A source that has work, into its lane's rotation; unless it is on hold, outside its window or over its cap: then it costs nothing
  -- until somebody resumes it, or its time has come.
  function campaign.offer(account, lane, name, now)
    if name ~= '-' then
      local hold = campaign.of(name).hold
      if hold == 'cancelled' then return campaign.wake(account, name, now) end
      if hold then return end
      if campaign.lacks_sender(lane, name) then
        if campaign.of(name).on_failure ~= 'stop' then campaign.wake(account, name, now) end
        return
      end
      local from = campaign.free_from(lane, name, now + HOP)
      if from > now + HOP then return campaign.wake(account, name, from - HOP) end
    end
    source.enter(lane, name)
  end

  -- Whether a source may have a slot; otherwise it leaves the rotation, and comes back when it may.
  function campaign.may_send(account, lane, name, slot)
    if name == '-' then return true end
    local hold = campaign.of(name).hold
    if campaign.lacks_sender(lane, name) then
      source.leave(lane, name)
      return false
    end
    local from = not hold and campaign.free_from(lane, name, slot)
    if from and from <= slot then return true end
    source.leave(lane, name)
    -- A source without work is offered again with its next work.
    if hold ~= 'paused' and campaign.has_work(lane, name) then campaign.wake(account, name, (from or slot) - HOP) end
    return false
  end

  -- A bulk operation got a slot. A little lateness of ours is made up for.
  function campaign.took(o, slot)
    local c = o.source ~= '-' and campaign.of(o.campaign) or {}
    source.served(o.lane, o.source, c.weight, 1)
    if c.cap then campaign.write(o.campaign, 'cap_next', int(math.max(tonumber(c.cap_next or 0), slot - LEAD) + tonumber(c.cap))) end
  end

  -- Its call takes place later than the slot that it was granted for.
  function campaign.moved(o, later)
    local c = o.priority == 'b' and o.source ~= '-' and campaign.of(o.campaign) or {}
    if not c.cap then return end
    local earliest = later - LEAD + tonumber(c.cap)
    if earliest > tonumber(c.cap_next or 0) then campaign.write(o.campaign, 'cap_next', int(earliest)) end
  end

  -- It did not use the slot.
  function campaign.gave_back(o)
    local c = o.source ~= '-' and campaign.of(o.campaign) or {}
    source.served(o.lane, o.source, c.weight, -1)
    if c.cap and c.cap_next then campaign.write(o.campaign, 'cap_next', int(tonumber(c.cap_next) - tonumber(c.cap))) end
  end

  -- Add to one of its numbers; what was read of it stays true.
  function campaign.add(name, field, by)
    local sum = redis.call('HINCRBY', key.campaign(name), field, by)
    if seen[name] then seen[name][field] = sum end
    return sum
  end

  -- Its operations came (by > 0) or were settled; the last one is the campaign's end, perhaps.
  function campaign.count_left(account, name, by, now)
    if campaign.add(name, 'left', by) == 0 then campaign.wake(account, name, now) end
  end

  -- A message leaves: from now on the template is final.
  function campaign.begun(name)
    if not campaign.of(name).fresh then return end
    campaign.of(name).fresh = nil
    redis.call('HDEL', key.campaign(name), 'fresh')
    campaign.write(name, 'unsealed', '1')
  end

  -- Tell in its own record whom it did not reach, many in one entry: `recipients` is a list of { id, to, key or '' }.
  function campaign.tell_unreached(account, name, recipients, now)
    if #recipients == 0 or campaign.of(name).doomed then return end
    redis.call('XADD', key.campaign(name) .. ':out', '*', 'to', '', 'id', '', 'account', account, 'campaign', name, 'kind', campaign.of(name).kind,
      'outcome', 'cancelled', 'code', '', 'message_uuid', '', 'words', 'its campaign was cancelled',
      'accepted_at_us', redis.call('HGET', key.campaign(name), 'created') or int(now), 'settled_at_us', int(now),
      'recipients', cjson.encode(recipients))
  end

  -- A settled operation waits again.
  function campaign.reopen(account, name)
    campaign.add(name, 'left', 1)
    redis.call('HDEL', key.campaign(name), 'completed_at')
    campaign.of(name).completed_at = nil
    redis.call('PERSIST', key.campaign(name) .. ':out')
    if campaign.of(name).zoned then redis.call('PERSIST', key.campaign(name) .. ':z') end
    redis.call('SADD', key.account(account) .. ':c', name)
  end

  -- Pause it when too many of its last outcomes are rejections: the whole campaign is wrong.
  local function pause_if_wrong(name, c, now)
    local _, rejected = string.gsub(c.recent, 'r', '')
    if rejected * 100 <= tonumber(c.auto_pause or AUTO_PAUSE) * RECENT or c.hold then return end
    campaign.write(name, 'hold', 'paused')
    campaign.write(name, 'hold_at', int(now))
    campaign.write(name, 'hold_why', rejected .. ' of its last ' .. #c.recent .. ' answers were rejections')
  end

  -- One of its operations has an outcome: its numbers, its last outcomes, and when the first of them is deleted, in one write as far as
  -- the script has read them. `first`: the operation had no outcome before.
  function campaign.settled(account, name, outcome, first, now, forgets_at)
    local c, written = campaign.of(name), {}
    local counted, left = rawget(c, outcome), rawget(c, 'left')
    if counted then
      c[outcome] = int(counted + 1)
      written[1], written[2] = outcome, c[outcome]
    else
      campaign.add(name, outcome, 1)
    end
    if first and left then
      c.left = int(left - 1)
      written[#written + 1], written[#written + 2] = 'left', c.left
    end

    local is_new = false
    if (outcome == 'accepted' or outcome == 'rejected') and c.auto_pause ~= '0' then
      local recent = string.sub((c.recent or '') .. string.sub(outcome, 1, 1), -RECENT)
      is_new = recent ~= c.recent  -- it is not after an acceptance more than a hundred of them
      c.recent = recent
      if is_new then written[#written + 1], written[#written + 2] = 'recent', recent end
    end
    if not c.forgets_at then
      c.forgets_at = int(forgets_at)
      written[#written + 1], written[#written + 2] = 'forgets_at', c.forgets_at
    end
    if #written > 0 then redis.call('HSET', key.campaign(name), unpack(written)) end

    if first and not left then campaign.count_left(account, name, -1, now) end
    if first and c.left == '0' then campaign.wake(account, name, now) end
    if is_new then pause_if_wrong(name, c, now) end
  end
end)
