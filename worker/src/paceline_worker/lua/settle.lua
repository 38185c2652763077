-- Record what became of calls: count it, schedule what follows, free the sender.
--
-- KEYS  1 root
-- ARGV  1 retention of settled operations (ms), 2 grace before an unknown outcome is looked up (us), then one JSON verdict per
--       operation: {"id", "token", "verb", "elapsed" (us from the slot to the answer, as text), "health" ("good", "bad": of the
--       provider, ""), "code"} and
--         verb "finish":  "outcome", "uuid", "words", "result" (JSON)
--         verb "step":    "result" (JSON), "channel", "words"           one of its calls was answered, others follow
--         verb "retry":   "delay" (us), "words"                         an attempt was spent
--         verb "wait":    "delay" (us), "words"                         for something that passes; no attempt
--         verb "unknown": "words"                                       by the operation's on_unknown and kind
--         verb "looked":  "uuids" (candidates), "outcome" ("held" when absence decides nothing, "stale" when the history may not show
--                         the message yet, "fresh" when it would: read the conversation once more), "words"; of a group also
--                         "results" (JSON, one per candidate) and "more" ("1" when further calls follow)
--         verb "defer":   "scope": "operation" | "sender" | "account" | "suspend", "delay" (us), "words"   no attempt
--                         of "suspend": "key_version", of the key that was refused
--         verb "return":  "words"                                       granted, and given back before begin
-- reply { server time, next look (us; '' none), then per verdict: what was done, 'stale' or 'malformed' }
-- keys  fl, o:<id>, a:<acct> and its sets, lanes, due, timers, outcomes, counts; receipts that came before the answer: a:<acct>:er, a:<acct>:rc, receipts
-- Replayable: a verdict whose token is no longer in flight changes nothing and answers 'stale'. One exception: the late
-- answer of a call whose lease ran out settles the operation that was held (or waits to be sent again) for want of that answer.
--@include shared/moves.lua
--@include shared/receipt.lua
--@include shared/pools.lua
needed = { field.c.weighted_senders, 'auto_pause', 'recent', 'forgets_at', 'completed_at', 'accepted', 'left' }
local retention, grace = ARGV[1], tonumber(ARGV[2])
local now = server_time()
local epoch = current_epoch()
-- An account whose /info does not answer goes on without.
local INFO_PATIENCE = 30000000
local accounts, ready = {}, {}
local done = {}

local function account_of(name)
  if accounts[name] == nil then accounts[name] = load_account(name, now, epoch) or false end
  return accounts[name]
end

-- Perhaps the account's limit was lowered: ask for it first thing after the pause, before anything else is sent.
local function recheck(a)
  if a.info_every <= 0 then return end
  a.info_at, a.recheck = a.paused_until, a.paused_until + INFO_PATIENCE
  redis.call('HSET', a.key, 'info_at', int(a.info_at), 'recheck', int(a.recheck))
end

local function defer(a, o, v)
  local delay = tonumber(v.delay or 0)
  moves.give_back(o, now, a, v.verb == 'return' or v.scope == 'operation')
  if v.verb == 'defer' and v.code and v.code ~= '' then story.tell(o, now, 'deferred', v.code, v.words) end
  if v.scope == 'sender' then
    lanes.pause_sender(o, now + delay, 'busy')
    pool.was_busy(o, v.words, now)
  elseif v.scope == 'account' then
    if a.paused_until <= now then throttling.incident(a, now) end  -- one incident, however many calls were in flight
    a.paused_until = math.max(a.paused_until, now + delay)
    redis.call('HSET', a.key, 'paused_until', int(a.paused_until))
    throttling.want_probe(a)
    recheck(a)
  elseif v.scope == 'suspend' and v.key_version and v.key_version ~= a.key_version then
    return 'outdated'  -- the account has another key meanwhile: the operation leaves again, with that
  elseif v.scope == 'suspend' then
    a.suspended = v.words
    redis.call('HSET', a.key, 'suspended', v.words, 'suspended_at', int(now))
  end
  if v.verb == 'defer' and v.scope ~= 'operation' then redis.call('HSET', o.key, field.o.words, v.words) end
  return 'deferred'
end

-- What may still be said of an operation that is held, or about to be looked up: its call's own answer, which came after all.
local SETTLES_HELD = { finish = true, step = true, retry = true, defer = true }

-- Whether a verdict still counts. Only the grant's own token may speak, and only while that grant is the operation's last word.
local function may_settle(o, v)
  if not o or o.token ~= v.token then return false end
  if v.verb == 'return' then return o.state == 'g' end
  if o.state == 's' then return true end
  -- `slot` is that of the call whose outcome is unknown, as long as no look-up was granted: the answer of a look-up is not the call's.
  local is_own = o.unknown_slot == o.slot and SETTLES_HELD[v.verb] == true
  if o.state == 'd' then return o.outcome == 'held' and is_own and v.outcome ~= 'held' end
  if o.state ~= 'w' then return false end
  if o.look_up then return is_own end
  return o.attempts ~= nil and is_own and (v.verb == 'finish' or v.verb == 'step')
end

-- One of its calls was answered: its turn is kept, and what was answered is not asked again.
local function step(a, o, v)
  redis.call('HSET', o.key, field.o.result, v.result)
  redis.call('HDEL', o.key, field.o.attempts, field.o.was_unknown, field.o.lost_workers)
  if o.kind == 'group.create' then claim(o, cjson.decode(v.result).group_uuid, retention) end
  if v.channel and v.channel ~= '' then redis.call('HSET', o.lane, field.l.channel, v.channel) end
  story.tell(o, now, 'answered', v.code, v.words)
  moves.give_back(o, now, a, false)
  return 'step'
end

-- Retries are a tenth of first attempts, and ten at once; each one beyond that waits about as long as a back-off ever does. Calls are
-- told by the slots that were taken. `rb` is in tenths of a retry.
local RETRY_COST, MOST_RETRIES, LONG_BACK_OFF = 10, 100, 60000000

local function back_off(a, delay)
  local calls = a.taken or 0
  local budget_left = math.min(MOST_RETRIES, tonumber(a.retry_budget or MOST_RETRIES) + math.max(0, calls - tonumber(a.retry_budget_at or calls) - 1))
  a.retry_budget_at = calls
  if budget_left >= RETRY_COST then
    a.retry_budget = budget_left - RETRY_COST
  else
    a.retry_budget = budget_left
    delay = math.max(delay, LONG_BACK_OFF / 2 + now * 7919 % (LONG_BACK_OFF / 2))
  end
  redis.call('HSET', a.key, field.a.retry_budget, int(a.retry_budget), field.a.retry_budget_at, int(a.retry_budget_at))
  return delay
end

local function wait(o, v)
  local looks = o.look_up and redis.call('HINCRBY', o.key, field.o.looks, 1) or 0
  if looks >= MOST_LOOKS then
    outcomes.finish(o, now, 'held', { code = 'unknown', words = v.words }, retention)
    return 'held'
  end
  story.tell(o, now, 'waits', v.code, v.words)
  lanes.release(o, now)
  moves.set_aside(o, now + tonumber(v.delay), v.words)
  return 'wait'
end

-- Whether receipts wait for their messages; asked once per call.
local early
local function some_are_early()
  if early == nil then early = tonumber(redis.call('GET', key.early) or 0) > now end
  return early
end

-- It is accepted under its handle, and its receipts may have come before that was known.
local function accept(a, o, detail)
  outcomes.finish(o, now, 'accepted', detail, retention)
  if o.campaign then pool.worked(o, now) end
  if detail.uuid and detail.uuid ~= '' and some_are_early() then receipt.catch_up(o.account, o.id, detail.uuid, now) end
  return 'accepted'
end

-- It is absent from a history that was looked at for its freshness. A fresh one is proof once the conversation is read after that; a
-- stale one is looked at again, later each time, and in the end the conversation decides no more than that it is there.
local function look_again(o, v)
  local looks = v.outcome == 'stale' and redis.call('HINCRBY', o.key, field.o.looks, 1) or 0
  lanes.release(o, now)
  if v.outcome == 'stale' and looks < STALE_LOOKS then
    moves.set_aside(o, now + 2 * grace * 2 ^ looks, v.words)
  else
    redis.call('HSET', o.key, field.o.look_up, v.outcome == 'fresh' and 'l3' or 'l4')
    moves.set_aside(o, now, v.words)
  end
  return 'lookup'
end

-- What a look-up found. A message that another operation sent is not this one's: of identical ones each takes one.
local function looked(a, o, v)
  for i, uuid in ipairs(v.uuids) do
    local owner = redis.call('GET', key.claim(uuid))
    if not owner or owner == o.id then
      story.tell(o, now, 'looked up', v.code, 'found')
      if v.more == '1' then
        moves.end_look_up(o)
        return step(a, o, { result = v.results[i], code = v.code, words = 'found' })
      end
      local detail = { code = 'found', uuid = uuid, words = 'found at the provider after an unknown outcome' }
      detail.result = v.results and v.results[i]
      return accept(a, o, detail)
    end
  end

  story.tell(o, now, 'looked up', v.code, v.words)
  if o.look_up == 'l1' then
    lanes.release(o, now)
    redis.call('HSET', o.key, field.o.look_up, 'l2')
    moves.set_aside(o, now + 2 * grace * (o.kind == 'group.create' and GROUP_PATIENCE or 1), v.words)
    return 'lookup'
  elseif v.outcome == 'fresh' or v.outcome == 'stale' then
    return look_again(o, v)
  elseif v.outcome == 'held' then
    outcomes.finish(o, now, 'held', { code = 'unknown', words = v.words }, retention)
    return 'held'
  elseif moves.exhausted(o, v.words) then
    outcomes.finish(o, now, 'dead', { code = 'unknown', words = moves.exhausted(o, v.words) }, retention)
    return 'dead'
  end

  moves.end_look_up(o)
  redis.call('HINCRBY', o.key, field.o.attempts, 1)
  if o.ramp_day then ramp.give_back(o) end
  moves.give_back(o, now, a, false)
  return 'retry'
end

-- How long a sender was busy with a call, on average: on a fast account that decides, and a forecast must know it.
local function note_cycle(a, o, elapsed)
  if elapsed <= 0 or a.base > FAST then return end
  local before = tonumber(redis.call('HGET', o.lane, field.l.call_time) or elapsed + HOP)
  redis.call('HSET', o.lane, field.l.call_time, int(before + (elapsed + HOP - before) / 8))
end

-- Whether a verdict says that the call sent nothing.
local SENT_NOTHING = { defer = true, retry = true, wait = true }
local function sent_nothing(v) return SENT_NOTHING[v.verb] or (v.verb == 'finish' and v.outcome == 'rejected') end

local function settle(v)
  local o = load_operation(v.id)
  if not may_settle(o, v) then return 'stale' end
  local was_calling, sender = o.state == 's' or o.state == 'g', o.sender
  local a = account_of(o.account)
  if not a then return 'stale' end

  if o.slot then
    local elapsed = tonumber(v.elapsed or 0)
    -- Of a call without an answer nobody knows when it arrived.
    if elapsed > 0 and v.health == 'good' and bucket.measures(a) then
      bucket.answer(a, tonumber(o.slot), elapsed)
    else
      bucket.push(a, tonumber(o.slot), elapsed)
    end
    note_cycle(a, o, tonumber(v.elapsed or 0))
  end

  local opened = false
  if v.health and v.health ~= '' then
    local good = v.health == 'good'
    if breaker_awake or a.breaker or a.bad_window or not good then opened = breaker.note(a, o.id, good, now) end
  elseif breaker_awake then
    breaker.not_probed(o.id, now)
  end

  if o.state == 'w' then
    lanes.withdraw(o)
    moves.end_look_up(o)
  end
  if o.state == 'd' and v.verb ~= 'finish' then
    moves.unhold(o)
    moves.end_look_up(o)
  end
  if o.ramp_day and sent_nothing(v) then ramp.give_back(o) end

  local result
  if v.verb == 'finish' and v.outcome == 'rejected' and o.campaign and was_calling and pool.tries_again(o, v, now) then
    story.tell(o, now, 'another sender', v.code, v.words)
    result = 'retry'
  elseif v.verb == 'finish' then
    local detail = { code = v.code, uuid = v.uuid, words = v.words, result = v.result }
    if v.outcome == 'accepted' then accept(a, o, detail) else outcomes.finish(o, now, v.outcome, detail, retention) end
    result = v.outcome
  elseif v.verb == 'step' then
    result = step(a, o, v)
  elseif v.verb == 'retry' then
    story.tell(o, now, 'retry', v.code, v.words)
    moves.retry_later(o, now, back_off(a, tonumber(v.delay)), v.words)
    result = 'retry'
  elseif v.verb == 'wait' then
    result = wait(o, v)
  elseif v.verb == 'looked' then
    result = looked(a, o, v)
  elseif v.verb == 'unknown' then
    result = moves.unknown(o, now, v.words, retention, grace)
  else
    result = defer(a, o, v)
  end

  if a.probe == v.id then
    -- Only an answer of the provider says anything about its limit; a status code is one, `connect` or `timeout` is not.
    -- While it was under way another call may have brought a new pause.
    local answered = tonumber(v.code) and v.code ~= '429' and v.scope ~= 'suspend' and a.paused_until <= now
    throttling.set_probe(a, answered and '' or 'due')
  end
  if opened then throttling.want_probe(a) end

  if o.sender ~= sender then lanes.refresh(o.account, sender, now, was_calling) end  -- it was handed over
  local lane_ready = lanes.refresh(o.account, o.sender, now, was_calling and o.sender == sender)
  if lane_ready == 't' or not ready[o.account] then ready[o.account] = lane_ready end
  return result
end

local function settle_text(text)
  local readable, v = pcall(cjson.decode, text)
  if not readable then return 'malformed' end  -- its lease settles it; the others of the batch must not wait for that
  return settle(v)
end

released = {}
for i = 3, #ARGV do done[#done + 1] = settle_text(ARGV[i]) end
if #released > 0 then redis.call('ZREM', key.in_flight, unpack(released)) end
if breaker_awake then breaker.save() end
local following = timers.first
for _, a in pairs(accounts) do
  if a then
    local at = reschedule(a, now, ready[a.name])
    if at and (not following or at < following) then following = at end
  end
end
return { int(now), following and int(following) or '', unpack(done) }
