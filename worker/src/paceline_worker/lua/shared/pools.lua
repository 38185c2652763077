-- Campaigns with several senders: who sends to whom, and what becomes of the recipients of a sender that fails.
--
-- Fields of c:<name>: `fs` its senders, as "number:weight ..."     `on_failure` 'stop' when a failing sender's recipients wait; else they
--   are handed over to the others     `failed` its senders that fail, between spaces     `failed:<sender>` why, and since when (us)
-- Fields of a lane: `sus` refusals in a row that may be the sender's own fault     `bs` since when it has been busy without an acceptance
-- a:<acct>:st:<n> hashes  recipient -> the sender of the account that wrote to it last, both without their plus; each expires
--
-- A recipient keeps its sender: the one of an earlier conversation, else the one with the greatest weight / -log(hash), so that a sender
-- more or less moves no recipient between the others (rendezvous hashing; `campaigns/senders.py` is the same in Python).
--@include keys.lua
--@include shared/campaigns.lua
--@include shared/lane.lua
--@include shared/work.lua
local pool = {}
seldom(pool, function()
  local REMEMBERED_S, SHELVES = 7776000, 16384
  -- 13 digits of a hash are as many bits as a double holds.
  local DIGITS, RANGE = 13, 4503599627370496
  -- So many messages that others could send, or so many refusals in a row where nobody else tries, mean that a sender has failed.
  local ENOUGH, ENOUGH_IN_A_ROW = 2, 3
  -- A sender that answers "busy" or "connecting" for so long does not recover.
  local LONGEST_BUSY = 600000000
  -- Before a refused recipient is tried once more by the same sender.
  local SECOND_TRY = 60000000

  local function shelf(account, to)
    return key.account(account) .. ':st:' .. tonumber(string.sub(redis.sha1hex(to), 1, 4), 16) % SHELVES
  end

  -- Remember who wrote to a recipient.
  function pool.note(account, to, sender)
    local k = shelf(account, to)
    redis.call('HSET', k, string.sub(to, 2), string.sub(sender, 2))
    redis.call('EXPIRE', k, REMEMBERED_S)
  end

  local function score(sender, weight, to)
    local hash = tonumber(string.sub(redis.sha1hex(sender .. '|' .. to), 1, DIGITS), 16)
    return -weight / math.log((hash + 0.5) / RANGE)
  end

  function pool.has_failed(name, sender)
    local failed = campaign.of(name).failed
    return failed ~= nil and string.find(failed, ' ' .. sender .. ' ', 1, true) ~= nil
  end

  -- The sender of a recipient, or nil when none is left; `but` is not asked for.
  function pool.sender_of(account, name, to, but)
    local best, most = nil, nil
    local earlier = redis.call('HGET', shelf(account, to), string.sub(to, 2))
    local stops = campaign.of(name).on_failure == 'stop'
    for sender, weight in string.gmatch(campaign.of(name).weighted_senders, '(%+%d+):(%d+)') do
      -- A sender of weight 0 was taken out of its pool: it sends only what it has.
      if sender ~= but and weight ~= '0' and (stops or not pool.has_failed(name, sender)) then
        if earlier and '+' .. earlier == sender then return sender end
        local own = score(sender, tonumber(weight), to)
        if not most or own > most then best, most = sender, own end
      end
    end
    return best
  end

  -- Give a waiting operation, which is in no list, to another sender than `but`; false when there is none.
  local function hand_over(o, now, at_head, but)
    local sender = pool.sender_of(o.account, o.campaign, o.to, but)
    if not sender then return false end
    lanes.unpark(o, now)
    redis.call('HDEL', o.key, field.o.set_aside)
    redis.call('HSET', o.key, field.o.sender, sender)
    redis.call('SADD', key.account(o.account) .. ':ln', sender)
    pool.note(o.account, o.to, sender)
    o.set_aside, o.sender, o.lane = nil, sender, key.lane(o.account, sender)
    lanes.enter(o, at_head, now)
    lanes.refresh(o.account, sender, now)
    return true
  end

  local function fail(name, account, sender, words, now)
    local c = campaign.of(name)
    if pool.has_failed(name, sender) then return end
    campaign.write(name, 'failed', (c.failed or ' ') .. sender .. ' ')
    redis.call('HSET', key.campaign(name), 'failed:' .. sender, int(now) .. '|' .. words)
    source.leave(key.lane(account, sender), name)
    campaign.wake(account, name, now)
    for other in string.gmatch(c.weighted_senders, '(%+%d+):') do
      if not pool.has_failed(name, other) then return end
    end
    if c.hold then return end
    campaign.write(name, 'hold', 'paused')
    campaign.write(name, 'hold_at', int(now))
    campaign.write(name, 'hold_why', 'all its senders fail, the last one: ' .. words)
  end

  -- Whether another sender than a failing one takes new recipients.
  local function has_other(name, failing)
    for sender, weight in string.gmatch(campaign.of(name).weighted_senders, '(%+%d+):(%d+)') do
      if sender ~= failing and weight ~= '0' and not pool.has_failed(name, sender) then return true end
    end
    return false
  end

  -- Some of what waits for a sender that fails, to the others; true when more is left. Where the others were taken out of the pool, the
  -- recipients wait until somebody resumes the campaign or adds a number.
  function pool.hand_over_some(account, name, sender, most, now)
    if not has_other(name, sender) then return false end
    local lane = key.lane(account, sender)
    local ids = campaign.of(name).zoned and zone.pop_any(lane, name, most) or redis.call('LPOP', key.bulk(lane, name), most) or {}
    for _, id in ipairs(ids) do
      work.spend('hand_over')
      local o = load_operation(id)
      if o and not hand_over(o, now, false) then lanes.enter(o, false, now) end
    end
    return #ids > 0 and campaign.has_work(lane, name)
  end

  -- Whether a campaign of an operation has several senders, so that another one may send it. A message is deleted by the number that sent it.
  local function of_pool(o) return o.campaign ~= nil and o.kind ~= 'message.delete' and campaign.of(o.campaign).weighted_senders ~= nil end

  -- A call was answered by a refusal that may be the sender's own fault (no such number, not supported): the first time the recipient is
  -- tried once more, by another sender. Whether that is so; else the refusal stands.
  function pool.tries_again(o, v, now)
    if not of_pool(o) or o.refused_by or (v.code ~= '404' and v.code ~= '406') then return false end
    local stops = campaign.of(o.campaign).on_failure == 'stop'
    redis.call('HSET', o.key, field.o.state, 'w', field.o.refused_by, o.sender)
    o.refused_by = o.sender
    lanes.release(o, now)
    if stops then
      local row = redis.call('HINCRBY', o.lane, field.l.suspicions, 1)
      if row >= ENOUGH_IN_A_ROW then fail(o.campaign, o.account, o.sender, v.words, now) end
      moves.set_aside(o, now + SECOND_TRY, v.words)
    elseif not hand_over(o, now, true, o.sender) then  -- it had its turn
      moves.set_aside(o, now + SECOND_TRY, v.words)
    end
    return true
  end

  -- A message was accepted: its sender works. One that another sender could not send says that the other one does not.
  function pool.worked(o, now)
    if not of_pool(o) then return end
    redis.call('HDEL', o.lane, field.l.suspicions, field.l.busy_since)
    if not o.refused_by or o.refused_by == o.sender then return end
    local times = redis.call('HINCRBY', key.lane(o.account, o.refused_by), field.l.suspicions, 1)
    if times >= ENOUGH then fail(o.campaign, o.account, o.refused_by, 'the number could not send messages that other senders could', now) end
  end

  -- Its sender is busy, or connecting.
  function pool.was_busy(o, words, now)
    if not of_pool(o) then return end
    redis.call('HSETNX', o.lane, field.l.busy_since, int(now))
    if now - tonumber(redis.call('HGET', o.lane, field.l.busy_since)) > LONGEST_BUSY then fail(o.campaign, o.account, o.sender, words, now) end
  end
end)
