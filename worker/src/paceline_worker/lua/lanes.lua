-- What the scripts share: accounts, operations, lanes, and the legal moves of an operation between them.
-- Needs keys.lua, sources.lua, meta.lua, work.lua, bucket.lua, breaker.lua, budgets.lua and campaigns.lua.
--
--   waiting --grant--> granted --begin--> sending --settle--> settled
--      ^                  |                  |
--      +---- give_back ---+---- defer, retry, step, look up -+        (the head of its lane, or a timer)
--
-- Letters of `s` in o:<id>: w waiting, g granted, s sending, d settled. `ph` in o:<id>: its next call looks up whether the last
-- one took effect: l1 for the first time, l2 whether the history is fresh, l3 with a fresh one, l4 for the last time.

-- A granted operation that nobody begins goes back to its lane this long after its slot.
local GRANT_LEASE = 5000000
-- Bulk sources of a lane passed over in one visit, because they may not send now.
local SKIPS = 100
-- Operations that follow another and are released with its outcome at once; the rest is for timers.
local RELEASED_AT_ONCE = 20
-- Before the id of an operation whose followers are released; no account's name begins like this.
local FOLLOWED = '>'
-- What happened to an operation is told in up to so many characters; of a long story the middle is left out.
local STORY_KEPT, STORY_HEAD = 6000, 1000
local HOUR = 3600000000
-- A 429 makes the spacing a quarter longer, at most twice as long; each hour without one takes a twentieth back.
local SLOWER, SLOWEST, FASTER_AN_HOUR = 1.25, 2000, 50
-- A group shows in its sender's list minutes after it was made.
local GROUP_PATIENCE = 12
-- Added to the score of a lane that has bulk work only: behind every lane with transactional work, until the year 2128.
local BULK = 4000000000000000
local NO_QUOTAS = {}
-- Looked up in vain so often (the provider did not answer), an operation is held.
local MOST_LOOKS = 20
-- So often a history is looked at that shows nothing of the sender's after the call.
local STALE_LOOKS = 4
-- An operation whose call ended so many workers is sent no more: perhaps it is the one that ends them. A look-up that does so counts
-- as many.
local MOST_LOST, LOST_LOOK = 3, 7
-- Waits for the number-check pool to be filled are looked at again after this long; /info says when it is.
local POOL_PAUSE = 900000000

-- The factor of the spacing that 429s left, in thousandths; clean hours have taken some of it back.
local function slowness(a, now)
  local slow = tonumber(a.slow or 1000)
  if slow <= 1000 then return 1000 end
  return math.max(1000, slow - FASTER_AN_HOUR * math.max(0, math.floor((now - tonumber(a.slow_at)) / HOUR)))
end

local function load_account(name, now, epoch)
  local k = key.account(name)
  local a = whole(k)
  if not a.interval then return nil end
  a.name, a.key = name, k
  a.ramp = tonumber(a.ramp or 1)
  a.base = tonumber(a.interval)
  a.interval = math.ceil(a.base * slowness(a, now) / 1000) * a.ramp
  a.next, a.floor, a.last = tonumber(a.next), tonumber(a.floor or 0), tonumber(a.last)
  a.variation, a.reserve, a.bulk_next = tonumber(a.variation), tonumber(a.reserve or 0), tonumber(a.bulk_next)
  a.taken = tonumber(a.taken)
  a.info_every, a.info_at, a.recheck = tonumber(a.info_every or 0), tonumber(a.info_at or 0), tonumber(a.recheck or 0)
  a.paused_until = tonumber(a.paused_until or 0)
  if a.breaker == 'open' and (a.probe or '') == '' then a.probe = 'due' end
  a.throttled = tonumber(a.throttled or 0)
  a.quotas = a.quotas and bucket.parse_quotas(a.quotas) or NO_QUOTAS
  a.due = tonumber(a.due)
  bucket.refresh(a, now, epoch)
  return a
end

local COMMON_FIELDS = { 'a', 'f', 'pr', 'k', 'vu', 'mx', 'unk', 'ur' }

-- The bulk source in whose turn it leaves. A look-up sends nothing, so no campaign holds it back.
local function source_of(o) return o.c and not o.ph and o.c or '-' end

local function load_operation(id)
  local o = whole(key.operation(id))
  if not o.s then return nil end
  o.id, o.key = id, key.operation(id)
  if o.c then
    local common = campaign.of(o.c)
    for _, name in ipairs(COMMON_FIELDS) do o[name] = o[name] or common[name] end
  end
  o.source = source_of(o)
  o.lane = key.lane(o.a, o.f)
  o.pair = (o.pr == 't' and 't' or 'b:' .. (o.c or '-')) .. '|' .. o.to
  return o
end

-- Whether a budget may concern an operation; most are about kinds that are rare.
local function has_budget(a, o)
  if o.k == 'number.check' then return true end
  return a.budgets ~= nil and (string.find(a.budgets, '*', 1, true) or string.find(a.budgets, o.k, 1, true)) ~= nil
end

local function count(o, what, by)
  redis.call('HINCRBY', key.account(o.a) .. ':n', what, by)
  if o.c then redis.call('HINCRBY', key.campaign(o.c), what, by) end
end

-- The first bytes of a text, without half a character at the end.
local function cut(text, most)
  if #text <= most then return text end
  return (string.gsub(string.sub(text, 1, most), '[\192-\255][\128-\191]*$', ''))
end

-- Add a line to an operation's story: when, what, the provider's code, words.
local function tell(o, now, what, code, words)
  local line = int(now) .. '|' .. what .. '|' .. (code or '') .. '|' .. cut(words or '', 160)
  o.ev = o.ev and (o.ev .. '\n' .. line) or line
  if #o.ev > STORY_KEPT then
    local head = string.match(string.sub(o.ev, 1, STORY_HEAD), '^(.*)\n') or ''
    o.ev = head .. '\n' .. (string.match(string.sub(o.ev, STORY_HEAD - STORY_KEPT), '\n(.*)$') or line)
  end
  redis.call('HSET', o.key, 'ev', o.ev)
end

-- A sender that is busy or paused is ready for nothing.
local function not_ready(account, sender)
  redis.call('ZREM', key.account(account) .. ':r', sender)
end

-- Put the lane where its work and its pauses say: among those that may send, or not. `freed`: the sender was busy, so the lane is not
-- among them. Returns 't' when transactional work is ready, 'b' when bulk work is, or nil.
local function refresh_lane(account, sender, now, freed)
  local lane, ready = key.lane(account, sender), key.account(account) .. ':r'
  local busy = not freed and redis.call('HEXISTS', lane, 'f') == 1
  local paused_until = not busy and redis.call('HGET', lane, 'p')
  if busy or (paused_until and tonumber(paused_until) > now) then
    if not freed then not_ready(account, sender) end
    return nil
  end

  if redis.call('EXISTS', lane .. ':t') == 1 then
    redis.call('ZADD', ready, 'LT', int(now), sender)
    return 't'
  end

  local since = not freed and tonumber(redis.call('ZSCORE', ready, sender) or nil)
  if redis.call('EXISTS', lane .. ':w') == 1 then
    if not since or since < BULK then redis.call('ZADD', ready, int(now + BULK), sender) end
    return 'b'
  end
  if since then not_ready(account, sender) end
  return nil
end

-- Put an operation into its lane, at the tail (new work) or at the head (it had its turn and could not use it).
local function enter_lane(o, at_head, now)
  local push = at_head and 'LPUSH' or 'RPUSH'
  if o.pr == 't' then
    redis.call(push, o.lane .. ':t', o.id)
    return
  end
  if redis.call(push, key.bulk(o.lane, o.source), o.id) == 1 then campaign.offer(o.a, o.lane, o.source, now) end
end

-- Take the next operation of a lane that may have a slot, or nil; bulk sources take turns. Also whether the lane holds more.
local function leave_lane(account, lane, transactional, slot)
  if transactional then return redis.call('LPOP', lane .. ':t'), redis.call('EXISTS', lane .. ':t') == 1 end
  for _ = 1, SKIPS do
    local name = source.first(lane)
    if not name then return nil, false end
    if campaign.may_send(account, lane, name, slot) then
      local id = redis.call('LPOP', key.bulk(lane, name))
      -- Alone in the lane, it can take nobody's turn by coming back.
      local left = redis.call('EXISTS', key.bulk(lane, name)) == 1 or (id and redis.call('ZCARD', lane .. ':w') > 1)
      if not left then source.leave(lane, name) end
      if id then return id, left end
    end
  end
  return nil, false
end

-- Let an operation wait for a time, at no cost meanwhile. `kind`: 'n' not before, 'o' back-off, 'v' follows operation `seq`, and the
-- time is its valid_until. `seq` orders equal times.
local function wait_until(account, kind, seq, id, at)
  redis.call('ZADD', key.account(account) .. ':tm', int(at), kind .. ':' .. seq .. ':' .. id)
  timers.set(account, at)
end

-- Pause a sender. `why`: 'busy', 'budget'.
local function pause_sender(o, until_then, why)
  redis.call('HSET', o.lane, 'p', int(until_then), 'pw', why)
  redis.call('ZADD', key.account(o.a) .. ':sp', int(until_then), o.f)
  timers.set(o.a, until_then)
end

-- Take a waiting operation out of wherever it waits: the late answer of an earlier call has settled it.
local function withdraw(o)
  if redis.call('ZREM', key.account(o.a) .. ':tm', 'o:0:' .. o.id) == 1 then return end
  if redis.call('LREM', o.lane .. ':k:' .. o.pair, 1, o.id) == 1 then return end
  if o.pr == 't' then
    redis.call('LREM', o.lane .. ':t', 1, o.id)
  elseif redis.call('LREM', key.bulk(o.lane, o.source), 1, o.id) == 0 and o.c then
    redis.call('LREM', key.bulk(o.lane, o.c), 1, o.id)
  end
end

-- Free the sender and end the lease of an operation in flight.
local function release(o, now)
  if redis.call('ZREM', key.in_flight, o.id) == 1 then redis.call('HDEL', o.lane, 'f') end
end

-- What waited behind an operation in back-off, to the same recipient, goes on in its old order: the first of them to the head of
-- the lane, and the others wait behind it. So the end of a back-off costs the same however many wait.
local function unpark(o, now)
  if not o.hd or redis.call('HGET', o.lane .. ':h', o.pair) ~= o.id then return end
  local parked = o.lane .. ':k:' .. o.pair
  local id = redis.call('LPOP', parked)
  if id and redis.call('EXISTS', parked) == 1 then
    redis.call('HSET', o.lane .. ':h', o.pair, id)
    redis.call('HSET', key.operation(id), 'le', 'earlier messages to the same recipient leave first', 'hd', '1')
  else
    redis.call('HDEL', o.lane .. ':h', o.pair)
    redis.call('HINCRBY', key.account(o.a), 'aside', -1)
  end
  if id then enter_lane({ id = id, a = o.a, pr = o.pr, source = o.c or '-', lane = o.lane }, true, now) end
end

-- Back to the head of its lane: not an attempt. `unused`: it is certain that nothing was sent, so its slot goes back too.
local function give_back(o, now, a, unused)
  release(o, now)
  if a and unused and o.sl then
    bucket.give_back(a, tonumber(o.sl))
    if has_budget(a, o) then budget.give_back(a, o, tonumber(o.sl)) end
    if o.pr == 'b' then campaign.gave_back(o) end
  end
  breaker.not_probed(o.id, now)
  redis.call('HSET', o.key, 's', 'w')
  enter_lane(o, true, now)
end

-- Accounts of which this script run set something aside.
local aside = {}

-- Out of its lane for a while; what follows to the same recipient waits too. One that was held, and comes back while another of
-- its pair is set aside, has lost its place: those that wait behind the other stay there.
local function set_aside(o, at, words)
  o.hd = '1'
  redis.call('HSET', o.key, 's', 'w', 'le', words, 'hd', '1')
  if redis.call('HSETNX', o.lane .. ':h', o.pair, o.id) == 1 then
    redis.call('HINCRBY', key.account(o.a), 'aside', 1)
    aside[o.a] = true
  end
  wait_until(o.a, 'o', '0', o.id, at)
end

-- Back-off: an attempt was spent.
local function retry_later(o, now, delay, words)
  release(o, now)
  redis.call('HINCRBY', o.key, 'at', 1)
  set_aside(o, now + delay, words)
end

-- It follows an operation that has no result yet: it waits in a timer that ends with its validity, and in the list of those
-- that follow, which is read when the other has its outcome.
local function follow_later(o)
  redis.call('RPUSH', key.followers(o.rf), o.id)
  redis.call('HSET', key.operation(o.rf), 'fo', '1')
  wait_until(o.a, 'v', o.rf, o.id, tonumber(o.vu))
end

-- Those that follow an operation, to the heads of their lanes in their old order: the last `most` of them. When there are more, a
-- member of the timers index that is no account's calls again.
local function release_followers(id, now, most)
  local list = key.followers(id)
  local followers = redis.call('RPOP', list, most) or {}
  for _, follower_id in ipairs(followers) do
    local follower = load_operation(follower_id)
    if follower and redis.call('ZREM', key.account(follower.a) .. ':tm', 'v:' .. id .. ':' .. follower_id) == 1 then
      enter_lane(follower, true, now)
      refresh_lane(follower.a, follower.f, now)
    end
  end
  if redis.call('EXISTS', list) == 1 then timers.set(FOLLOWED .. id, now) end
end

-- A message or group at the provider is this operation's: no look-up of another one takes it.
local function claim(o, uuid, retention_ms)
  if uuid and uuid ~= '' then redis.call('SET', key.claim(uuid), o.id, 'PX', retention_ms) end
end

-- Say what became of an operation: to all that listen, and in its campaign's own record.
local function tell_outcome(o, now, outcome, detail, retention_ms)
  local entry = {
    'id', o.id, 'account', o.a, 'campaign', o.c or '', 'kind', o.k, 'outcome', outcome, 'code', detail.code or '',
    'message_uuid', detail.uuid or '', 'words', detail.words or '', 'accepted_at_us', o.t, 'settled_at_us', int(now), 'v', ENTRY_VERSION,
  }
  if detail.count then
    entry[#entry + 1], entry[#entry + 2] = 'count', detail.count
  else
    for field, name in pairs(GIVEN_BACK) do
      if o[field] then entry[#entry + 1], entry[#entry + 2] = name, o[field] end
    end
  end
  redis.call('XADD', key.outcomes, 'MAXLEN', '~', OUTCOMES_KEPT, '*', unpack(entry))
  if not o.c then return end
  redis.call('XADD', key.campaign(o.c) .. ':out', '*', unpack(entry))
  -- A held one may be dropped when all the others have been forgotten.
  if campaign.of(o.c).completed_at then redis.call('PEXPIRE', key.campaign(o.c) .. ':out', retention_ms) end
end

-- Into the dead letters of its account; those whose operations were deleted after their retention time are dropped as others come.
local function bury(o, now, retention_ms)
  local dead = key.account(o.a) .. ':dead'
  redis.call('ZADD', dead, int(now), o.id)
  local gone = redis.call('ZRANGEBYSCORE', dead, '-inf', int(now - retention_ms * 1000), 'LIMIT', 0, 10)
  if #gone > 0 then redis.call('ZREM', dead, unpack(gone)) end
end

-- What this script run settled, for the caller's metrics: account, kind, outcome, and how many when not one.
local settled = {}
local function settled_json() return #settled > 0 and cjson.encode(settled) or '[]' end

-- The one outcome of an operation. `detail`: code, uuid, words, result (all optional).
local function finish(o, now, outcome, detail, retention_ms)
  release(o, now)
  unpark(o, now)
  local written = { 's', 'd', 'oc', outcome, 'te', int(now), 'cd', detail.code or '', 'u', detail.uuid or '' }
  if o.le or (detail.words or '') ~= '' then written[11], written[12] = 'le', detail.words or '' end
  redis.call('HSET', o.key, unpack(written))
  redis.call('HDEL', o.key, 'w', 'j', 'hd')
  count(o, outcome, 1)
  settled[#settled + 1] = { o.a, o.k, outcome }
  if o.oc then
    count(o, o.oc, -1)  -- a late answer settles a held operation
    redis.call('ZREM', key.account(o.a) .. ':held', o.id)
  elseif o.c then
    campaign.count_left(o.a, o.c, -1, now)
  end
  if o.c then
    campaign.note_outcome(o.c, outcome, now)
    if not campaign.of(o.c).forgets_at then campaign.write(o.c, 'forgets_at', int(now + retention_ms * 1000)) end
  end
  if outcome == 'rejected' or outcome == 'dead' then bury(o, now, retention_ms) end
  if outcome == 'held' then
    redis.call('ZADD', key.account(o.a) .. ':held', int(now), o.id)
    redis.call('PERSIST', o.key)
  else
    redis.call('PEXPIRE', o.key, retention_ms)
    if o.fo then release_followers(o.id, now, RELEASED_AT_ONCE) end
  end
  if o.ph then redis.call('HDEL', o.key, 'ph', 'lk') end
  if detail.result and detail.result ~= '' then redis.call('HSET', o.key, 'rs', detail.result) end
  claim(o, detail.uuid, retention_ms)
  tell_outcome(o, now, outcome, detail, retention_ms)
end

-- Why an operation of unknown outcome is not sent again, or nil.
local function exhausted(o, words)
  if tonumber(o.kl or 0) >= MOST_LOST then return MOST_LOST .. ' workers were lost in the middle of its call: ' .. words end
  return tonumber(o.at or 0) + 1 >= tonumber(o.mx) and words or nil
end

-- Nobody knows whether the call took effect: look it up after a while, repeat it, or hold it (`kinds.unknown_letter`).
local function unknown(o, now, words, retention_ms, grace)
  local letter = o.ur or (o.unk == 'resend' and 'r' or 'h')
  if letter == 'l' and o.rs then letter = 'r' end  -- the creation of a group was answered; adding to it may be repeated
  redis.call('HSET', o.key, 'uk', '1', 'ul', o.sl or '0')
  tell(o, now, 'unknown', nil, words)
  if letter == 'h' then
    finish(o, now, 'held', { code = 'unknown', words = words }, retention_ms)
    return 'held'
  elseif letter == 'l' then
    release(o, now)
    redis.call('HSET', o.key, 'ph', 'l1')
    set_aside(o, now + grace * (o.k == 'group.create' and GROUP_PATIENCE or 1), words)
    return 'lookup'
  elseif exhausted(o, words) then
    finish(o, now, 'dead', { code = 'unknown', words = exhausted(o, words) }, retention_ms)
    return 'dead'
  end
  retry_later(o, now, 2000000, words)
  return 'retry'
end

-- Whether the account's own figures (/info) are to be read: also of one that is suspended because it has not been paid for.
local function may_ask_info(a)
  return a.info_every > 0 and (not a.suspended or string.sub(a.suspended, 1, 6) == 'unpaid')
end

-- Its look-up is over: it is an operation of its campaign like any other.
local function end_look_up(o)
  redis.call('HDEL', o.key, 'ph', 'lk')
  o.ph = nil
  o.source = source_of(o)
end

-- From when a slot may be granted to what is ready, or nil. `ready` is what the caller knows of the lanes: 't' transactional work is
-- ready, 'b' something is, 'none' nothing is; else it is looked up. Only with a reserve does it matter whether all is bulk.
local function grantable_from(a, now, ready)
  if ready == 'none' then return nil end
  local bulk_only = false
  if ready ~= 't' and (not ready or a.reserve > 0) then
    local since = redis.call('ZRANGE', a.key .. ':r', 0, 0, 'WITHSCORES')[2]
    if not since then return nil end
    bulk_only = tonumber(since) >= BULK
  end
  return math.max(bucket.peek(a, a.paused_until, bulk_only) - LEAD, a.recheck, now)
end

-- The instant from which the account may have a slot, into the due index. Its timers are another index (`wait_until`), and so are
-- leases. An entry that is early stays: a look in vain puts it right. `looked`: the caller has looked, so an early one is to go.
-- `ready` as above.
local function reschedule(a, now, ready, looked)
  local probing = a.probe and a.probe ~= '' and a.probe ~= 'due'
  local at = not a.suspended and not probing and grantable_from(a, now, ready) or nil
  if may_ask_info(a) then
    local asked_from = math.max(bucket.peek(a, a.paused_until) - LEAD, a.info_at, breaker.others_from(), now)
    at = at and math.min(at, asked_from) or asked_from
  end

  if not at then
    if a.due or looked then redis.call('ZREM', key.due, a.name) end
    if a.due then redis.call('HDEL', a.key, 'due') end
    a.due = nil
  elseif looked or not a.due or at < a.due then
    redis.call('ZADD', key.due, int(at), a.name)
    a.due, a.due_changed = at, true
  end
  bucket.save(a)
  return a.due
end

-- The provider found too many calls: keep more distance, whatever the reason, until clean hours have passed.
local function incident(a, now)
  a.throttled = a.throttled + 1
  a.slow = math.min(SLOWEST, math.floor(slowness(a, now) * SLOWER))
  a.slow_at = now
  redis.call('HSET', a.key, 'slow', a.slow, 'slow_at', int(now), 'throttled', int(a.throttled))
end

-- The probe that ends a throttling pause: `due` waits to be granted, an id is in flight, '' none.
local function set_probe(a, value)
  a.probe = value
  if value == '' then
    a.throttled = 0
    redis.call('HDEL', a.key, 'probe', 'throttled')
  else
    redis.call('HSET', a.key, 'probe', value)
  end
end

-- A probe is wanted; one that is in flight is it, and nothing else leaves before it is heard of.
local function want_probe(a)
  if (a.probe or '') == '' or a.probe == 'due' then set_probe(a, 'due') end
end

-- Held for want of an answer that now has come after all, and says that nothing took effect: it waits again.
local function unhold(o)
  count(o, 'held', -1)
  if o.c then campaign.reopen(o.a, o.c) end
  redis.call('ZREM', key.account(o.a) .. ':held', o.id)
  redis.call('HDEL', o.key, 'oc', 'te', 'cd', 'u')
  o.oc = nil
end
