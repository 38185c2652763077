-- The legal moves of an operation, and its one outcome.
--@include keys.lua
--@include shared/meta.lua
--@include shared/bucket.lua
--@include shared/breaker.lua
--@include shared/budgets.lua
--@include shared/campaigns.lua
--@include shared/account.lua
--@include shared/operation.lua
--@include shared/lane.lua
--@include shared/entry.lua
--@include shared/contacts.lua
-- Before the id of an operation whose followers are released; no account's name begins like this.
local FOLLOWED = '>'
-- What this script run settled, for the caller's metrics: account, kind, outcome, and how many when not one.
local settled = {}
-- Accounts of which this script run set something aside.
local aside = {}
local moves = {}

local outcomes = {}
seldom(outcomes, function()
  -- A person may let those wait again.
  local SENT_AGAIN = { rejected = true, dead = true, held = true }
  -- Operations that follow another and are released with its outcome at once; the rest is for timers.
  local RELEASED_AT_ONCE = 20

  -- Say what became of an operation: to all that listen, and in its campaign's own record.
  function outcomes.announce(o, now, outcome, detail, retention_ms)
    local told = {
      'id', o.id, 'account', o.account, 'campaign', o.campaign or '', 'kind', o.kind, 'outcome', outcome, 'code', detail.code or '',
      'message_uuid', detail.uuid or '', 'words', detail.words or '', 'accepted_at_us', o.accepted_at, 'settled_at_us', int(now),
      'v', entry.VERSION,
    }
    if detail.count then
      told[#told + 1], told[#told + 2] = 'count', detail.count
      if detail.first then told[#told + 1], told[#told + 2] = 'first', '1' end
    else
      entry.add_given(told, o)
      -- Which of several numbers sent it.
      if o.campaign and campaign.of(o.campaign).weighted_senders then told[#told + 1], told[#told + 2] = 'sender', o.sender end
      -- Who reads the answers of many checks does not ask for each of them.
      if o.kind == 'number.check' and (detail.result or '') ~= '' then told[#told + 1], told[#told + 2] = 'result', detail.result end
    end
    redis.call('XADD', key.outcomes, 'MAXLEN', '~', entry.MOST_KEPT, '*', unpack(told))
    if not o.campaign then return end
    redis.call('XADD', key.campaign(o.campaign) .. ':out', '*', unpack(told))
    -- A held one may be dropped when all the others have been forgotten.
    if campaign.of(o.campaign).completed_at then redis.call('PEXPIRE', key.campaign(o.campaign) .. ':out', retention_ms) end
  end

  -- Into the dead letters of its account; those whose operations were deleted after their retention time are dropped as others come.
  local function bury(o, now, retention_ms)
    local dead = key.account(o.account) .. ':dead'
    redis.call('ZADD', dead, int(now), o.id)
    local gone = redis.call('ZRANGEBYSCORE', dead, '-inf', int(now - retention_ms * 1000), 'LIMIT', 0, 10)
    if #gone > 0 then redis.call('ZREM', dead, unpack(gone)) end
  end

  -- These say that nothing was sent.
  local NOT_SENT = { expired = true, cancelled = true, suppressed = true }

  -- The one outcome of an operation. `detail`: code, uuid, words, result (all optional).
  function outcomes.finish(o, now, outcome, detail, retention_ms)
    -- One that waited to be sent again may have arrived already. What a person makes of a held one stands.
    if (NOT_SENT[outcome] or detail.code == 'follows') and o.was_unknown == '1' and o.outcome ~= 'held' then
      outcome, detail = 'dead', { code = 'unknown', words = 'it may have arrived, and is not sent again: ' .. (detail.words or outcome) }
    end
    lanes.release(o, now)
    lanes.unpark(o, now)

    local written = {
      field.o.state, 'd', field.o.outcome, outcome, field.o.settled_at, int(now), field.o.code, detail.code or '', field.o.handle, detail.uuid or '',
    }
    local n = #written
    if o.words or (detail.words or '') ~= '' then
      written[n + 1], written[n + 2] = field.o.words, detail.words or ''
      n = n + 2
    end
    -- Without its seal no worker sends it again, whatever is written into it. What most of them have is emptied in the same write.
    if outcome == 'accepted' then
      written[n + 1], written[n + 2], written[n + 3], written[n + 4] = field.o.question, '', field.o.jumps, ''
      if o.seal then written[n + 5], written[n + 6] = field.o.seal, '' end
    end
    redis.call('HSET', o.key, unpack(written))
    if outcome ~= 'accepted' then
      redis.call('HDEL', o.key, field.o.question, field.o.jumps, field.o.set_aside, SENT_AGAIN[outcome] and field.o.set_aside or field.o.seal)
    elseif o.set_aside then
      redis.call('HDEL', o.key, field.o.set_aside)
    end

    redis.call('HINCRBY', key.account(o.account) .. ':n', outcome, 1)
    settled[#settled + 1] = { o.account, o.kind, outcome }
    if o.outcome then
      count(o, o.outcome, -1)  -- a late answer settles a held operation
      redis.call('ZREM', key.account(o.account) .. ':held', o.id)
    end
    if o.campaign then campaign.settled(o.account, o.campaign, outcome, not o.outcome, now, now + retention_ms * 1000) end

    if outcome == 'rejected' or outcome == 'dead' then bury(o, now, retention_ms) end
    if outcome == 'held' then
      redis.call('ZADD', key.account(o.account) .. ':held', int(now), o.id)
      redis.call('PERSIST', o.key)
    else
      redis.call('PEXPIRE', o.key, retention_ms)
      if o.has_followers then moves.release_followers(o.id, now, RELEASED_AT_ONCE) end
    end

    if o.counted_at and outcome ~= 'accepted' and outcome ~= 'held' then contacts.give_back(o) end
    if o.look_up then redis.call('HDEL', o.key, field.o.look_up, field.o.looks) end
    if detail.result and detail.result ~= '' then redis.call('HSET', o.key, field.o.result, detail.result) end

    claim(o, detail.uuid, retention_ms)
    outcomes.announce(o, now, outcome, detail, retention_ms)
  end
end)

seldom(moves, function()
  -- So long a sender waits for the rest of its followers: about until the next look of a dispatcher.
  local RELEASE_PAUSE = 10000

  -- Back to the head of its lane: not an attempt. `unused`: it is certain that nothing was sent, so its slot goes back too.
  function moves.give_back(o, now, a, unused)
    lanes.release(o, now)
    if a and unused and o.slot then
      bucket.give_back(a, tonumber(o.slot))
      if has_budget(a, o) then budget.give_back(a, o, tonumber(o.slot)) end
      if o.priority == 'b' then campaign.gave_back(o) end
    end
    if breaker_awake then breaker.not_probed(o.id, now) end
    redis.call('HSET', o.key, field.o.state, 'w')
    lanes.enter(o, true, now)
  end

  -- Out of its lane for a while; what follows to the same recipient waits too. An operation that was held, and comes back while another of
  -- its pair is set aside, has lost its place: those that wait behind the other stay there.
  function moves.set_aside(o, at, words)
    o.set_aside = '1'
    redis.call('HSET', o.key, field.o.state, 'w', field.o.words, words, field.o.set_aside, '1')
    if redis.call('HSETNX', o.lane .. ':h', o.pair, o.id) == 1 then
      redis.call('HINCRBY', key.account(o.account), 'aside', 1)
      aside[o.account] = true
    end
    lanes.wait_until(o.account, 'o', '0', o.id, at)
  end

  -- Back-off: an attempt was spent.
  function moves.retry_later(o, now, delay, words)
    lanes.release(o, now)
    redis.call('HINCRBY', o.key, field.o.attempts, 1)
    moves.set_aside(o, now + delay, words)
  end

  -- It follows an operation that has no result yet: it waits in a timer that ends with its validity, and in the list of those
  -- that follow, which is read when the other has its outcome.
  function moves.follow_later(o)
    redis.call('RPUSH', key.followers(o.follows), o.id)
    redis.call('HSET', key.operation(o.follows), field.o.has_followers, '1')
    lanes.wait_until(o.account, 'v', o.follows, o.id, tonumber(o.valid_until))
  end

  -- Those that follow an operation, to the heads of their lanes in their old order: the last `most` of them. When there are more, a
  -- member of the timers index that is no account's calls again; until then none of them leaves (`moves.are_released`).
  function moves.release_followers(id, now, most)
    local list = key.followers(id)
    local followers = redis.call('RPOP', list, most) or {}
    for _, follower_id in ipairs(followers) do
      local follower = load_operation(follower_id)
      if follower and redis.call('ZREM', key.account(follower.account) .. ':tm', 'v:' .. id .. ':' .. follower_id) == 1 then
        lanes.enter(follower, true, now)
        lanes.refresh(follower.account, follower.sender, now)
      end
    end
    if redis.call('EXISTS', list) == 1 then timers.set(FOLLOWED .. id, now) end
  end

  -- Whether all that follow an operation are back in their lanes, so that the first of them may leave; else one whose turn came waits.
  function moves.are_released(o, now)
    if redis.call('EXISTS', key.followers(o.follows)) == 0 then return true end
    timers.set(FOLLOWED .. o.follows, now)
    lanes.enter(o, true, now)
    lanes.pause_sender(o, now + RELEASE_PAUSE, 'followers')
    return false
  end

  -- Why an operation of unknown outcome is not sent again, or nil.
  function moves.exhausted(o, words)
    if tonumber(o.lost_workers or 0) >= MOST_LOST then return MOST_LOST .. ' workers were lost in the middle of its call: ' .. words end
    return tonumber(o.attempts or 0) + 1 >= tonumber(o.max_attempts) and words or nil
  end

  -- Nobody knows whether the call took effect: look it up after a while, repeat it, or hold it (`kinds.unknown_letter`).
  function moves.unknown(o, now, words, retention_ms, grace)
    local letter = o.unknown_letter or (o.on_unknown == 'resend' and 'r' or 'h')
    if letter == 'l' and o.result then letter = 'r' end  -- the creation of a group was answered; adding to it may be repeated
    redis.call('HSET', o.key, field.o.was_unknown, '1', field.o.unknown_slot, o.slot or '0', field.o.unknown_jumps, o.jumps or '0')
    o.was_unknown = '1'
    story.tell(o, now, 'unknown', nil, words)
    if letter == 'h' then
      outcomes.finish(o, now, 'held', { code = 'unknown', words = words }, retention_ms)
      return 'held'
    elseif letter == 'l' then
      lanes.release(o, now)
      redis.call('HSET', o.key, field.o.look_up, 'l1')
      moves.set_aside(o, now + grace * (o.kind == 'group.create' and GROUP_PATIENCE or 1), words)
      return 'lookup'
    elseif moves.exhausted(o, words) then
      outcomes.finish(o, now, 'dead', { code = 'unknown', words = moves.exhausted(o, words) }, retention_ms)
      return 'dead'
    end
    moves.retry_later(o, now, 2000000, words)
    return 'retry'
  end

  -- Its look-up is over, and what became of its call is known: it is an operation of its campaign like any other.
  function moves.end_look_up(o)
    redis.call('HDEL', o.key, field.o.look_up, field.o.looks, field.o.was_unknown)
    o.look_up, o.was_unknown = nil, nil
    o.source = source_of(o)
  end

  -- Held for want of an answer that now has come after all, and says that nothing took effect: it waits again.
  function moves.unhold(o)
    count(o, 'held', -1)
    if o.campaign then campaign.reopen(o.account, o.campaign) end
    redis.call('ZREM', key.account(o.account) .. ':held', o.id)
    redis.call('HDEL', o.key, field.o.outcome, field.o.settled_at, field.o.code, field.o.handle)
    o.outcome = nil
  end
end)
