-- Record what became of calls: count it, schedule what follows, free the sender.
--
-- KEYS  1 root
-- ARGV  1 retention of settled operations (ms), then one JSON verdict per operation:
--         {"id", "token", "verb", "elapsed" (us from the slot to the answer, as text)} and
--         verb "finish":  "outcome", "code", "uuid", "words"
--         verb "retry":   "delay" (us), "words"                         an attempt was spent
--         verb "unknown": "words"                                       by the operation's on_unknown
--         verb "defer":   "scope": "operation" | "sender" | "account" | "suspend", "delay" (us), "words"   no attempt
--         verb "return":  "words"                                       granted, and given back before begin
-- reply { server time, next look (us; '' none), then per verdict: what was done, 'stale' or 'malformed' }
-- keys  o:<id>, a:<acct> and its sets, lanes, due, outcomes, counts
-- Replayable: a verdict whose token is no longer in flight changes nothing and answers 'stale'. One exception: the late
-- answer of a call whose lease ran out settles the operation that was held (or waits to be sent again) for want of it.
--@include keys.lua
--@include bucket.lua
--@include lanes.lua
local retention = ARGV[1]
local now = server_time()
local epoch = current_epoch()
local accounts = {}
local done = {}

local function account_of(name)
  if accounts[name] == nil then accounts[name] = load_account(name, now, epoch) or false end
  return accounts[name]
end

local function defer(a, o, v)
  local delay = tonumber(v.delay or 0)
  give_back(o, now, a, v.verb == 'return' or v.scope == 'operation')
  if v.scope == 'sender' then
    redis.call('HSET', o.lane, 'p', int(now + delay))
    redis.call('ZADD', a.key .. ':sp', int(now + delay), o.f)
  elseif v.scope == 'account' then
    if a.paused_until <= now then a.throttled = a.throttled + 1 end  -- one incident, however many calls were in flight
    a.paused_until = math.max(a.paused_until, now + delay)
    redis.call('HSET', a.key, 'paused_until', int(a.paused_until), 'throttled', int(a.throttled))
    set_probe(a, 'due')
  elseif v.scope == 'suspend' then
    a.suspended = v.words
    redis.call('HSET', a.key, 'suspended', v.words, 'suspended_at', int(now))
  end
  if v.verb == 'defer' and v.scope ~= 'operation' then redis.call('HSET', o.key, 'le', v.words) end
  return 'deferred'
end

-- Whether a verdict still counts. Only the grant's own token may speak, and only while that grant is the operation's last word.
local function may_settle(o, v)
  if not o or o.n ~= v.token then return false end
  if v.verb == 'return' then return o.s == 'g' end
  if o.s == 's' then return true end
  if o.s == 'd' then return o.oc == 'held' and v.verb ~= 'unknown' end
  return o.s == 'w' and v.verb == 'finish' and o.at ~= nil
end

local function settle(v)
  local o = load_operation(v.id)
  if not may_settle(o, v) then return 'stale' end
  local a = account_of(o.a)
  if not a then return 'stale' end
  if o.sl then bucket.push(a, tonumber(o.sl), tonumber(v.elapsed or 0)) end
  if o.s == 'w' then withdraw(o) end
  if o.s == 'd' and v.verb ~= 'finish' then unhold(o) end
  local result
  if v.verb == 'finish' then
    finish(o, now, v.outcome, { code = v.code, uuid = v.uuid, words = v.words }, retention)
    result = v.outcome
  elseif v.verb == 'retry' then
    retry_later(o, now, tonumber(v.delay), v.words)
    result = 'retry'
  elseif v.verb == 'unknown' then
    result = unknown(o, now, v.words, retention)
  else
    result = defer(a, o, v)
  end
  if a.probe == v.id then
    -- Only an answer of the provider says anything about its limit; a status code is one, `connect` or `timeout` is not.
    local answered = tonumber(v.code) and v.code ~= '429' and v.scope ~= 'suspend'
    set_probe(a, answered and '' or 'due')
  end
  refresh_lane(o.a, o.f, now)
  return result
end

local function settle_text(text)
  local readable, v = pcall(cjson.decode, text)
  if not readable then return 'malformed' end  -- its lease settles it; the others of the batch must not wait for that
  return settle(v)
end

for i = 2, #ARGV do done[#done + 1] = settle_text(ARGV[i]) end
local following = nil
for _, a in pairs(accounts) do
  if a then
    local at = reschedule(a, now)
    if at and (not following or at < following) then following = at end
  end
end
return { int(now), following and int(following) or '', unpack(done) }
