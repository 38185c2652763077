-- What the scripts share: accounts, operations, lanes, and the legal moves of an operation between them.
-- Needs keys.lua and bucket.lua.
--
--   waiting --grant--> granted --begin--> sending --settle--> settled
--      ^                  |                  |
--      +---- give_back ---+---- defer, retry-+        (the head of its lane, or a timer)
--
-- Letters of `s` in o:<id>: w waiting, g granted, s sending, d settled.

-- A slot is never nearer than this: a grant for "now" would be late before it reached a worker.
local HOP = 40000
-- A granted operation that nobody begins goes back to its lane this long after its slot.
local GRANT_LEASE = 5000000
-- Operations looked at and not granted (expired, parked behind a back-off) in one visit of an account.
local SKIPS = 100
local OUTCOMES_KEPT = 100000

local ACCOUNT_FIELDS = { 'interval', 'quotas', 'variation', 'next', 'floor', 'epoch', 'suspended', 'paused_until', 'throttled', 'probe', 'key_version', 'window' }

local function load_account(name, now, epoch)
  local k = key.account(name)
  local a = fields(k, ACCOUNT_FIELDS)
  if not a.interval then return nil end
  a.name, a.key = name, k
  a.interval, a.next, a.floor = tonumber(a.interval), tonumber(a.next), tonumber(a.floor or 0)
  a.variation = tonumber(a.variation)
  a.paused_until = tonumber(a.paused_until or 0)
  a.throttled = tonumber(a.throttled or 0)
  a.quotas = bucket.parse_quotas(a.quotas)
  bucket.refresh(a, now, epoch)
  return a
end

local OPERATION_FIELDS = { 's', 'a', 'f', 'to', 'pr', 'c', 'k', 'p', 't', 'vu', 'mx', 'unk', 'n', 'at', 'sl', 'j', 'q', 'w', 'oc', 'le' }
local CAMPAIGN_FIELDS = { 'a', 'f', 'pr', 'k', 'vu', 'mx', 'unk', 'p' }
local campaigns_seen = {}

-- The options that all operations of a campaign share; read once per script run.
local function campaign_common(name)
  if not campaigns_seen[name] then campaigns_seen[name] = fields(key.campaign(name), CAMPAIGN_FIELDS) end
  return campaigns_seen[name]
end

local function load_operation(id)
  local o = fields(key.operation(id), OPERATION_FIELDS)
  if not o.s then return nil end
  o.id, o.key = id, key.operation(id)
  if o.c then
    local common = campaign_common(o.c)
    for _, name in ipairs({ 'a', 'f', 'pr', 'k', 'vu', 'mx', 'unk' }) do o[name] = o[name] or common[name] end
  end
  o.source = o.c or '-'
  o.lane = key.lane(o.a, o.f)
  o.pair = (o.pr == 't' and 't' or 'b:' .. o.source) .. '|' .. o.to
  return o
end

local function count(o, what, by)
  redis.call('HINCRBY', key.account(o.a) .. ':n', what, by)
  if o.c then redis.call('HINCRBY', key.campaign(o.c), what, by) end
end

-- Put the lane where its work and its pauses say: ready for transactional, ready for bulk, or neither.
local function refresh_lane(account, sender, now)
  local lane = key.lane(account, sender)
  local state = redis.call('HMGET', lane, 'f', 'p')
  local account_key = key.account(account)
  if state[1] or (state[2] and tonumber(state[2]) > now) then
    redis.call('ZREM', account_key .. ':rt', sender)
    redis.call('ZREM', account_key .. ':rb', sender)
    return
  end
  for class, list in pairs({ rt = lane .. ':t', rb = lane .. ':s' }) do
    if redis.call('EXISTS', list) == 1 then
      redis.call('ZADD', account_key .. ':' .. class, 'NX', int(now), sender)
    else
      redis.call('ZREM', account_key .. ':' .. class, sender)
    end
  end
end

-- Put an operation into its lane, at the tail (new work) or at the head (it had its turn and could not use it).
local function enter_lane(o, at_head)
  local push = at_head and 'LPUSH' or 'RPUSH'
  if o.pr == 't' then
    redis.call(push, o.lane .. ':t', o.id)
    return
  end
  local list = o.lane .. ':b:' .. o.source
  if redis.call(push, list, o.id) == 1 then redis.call(push, o.lane .. ':s', o.source) end
end

-- Take the next operation of a lane; bulk sources take turns.
local function leave_lane(lane, class)
  if class == 'rt' then return redis.call('LPOP', lane .. ':t') end
  local source = redis.call('LINDEX', lane .. ':s', 0)
  if not source then return nil end
  local id = redis.call('LPOP', lane .. ':b:' .. source)
  if redis.call('EXISTS', lane .. ':b:' .. source) == 1 then
    redis.call('LMOVE', lane .. ':s', lane .. ':s', 'LEFT', 'RIGHT')
  else
    redis.call('LPOP', lane .. ':s')
  end
  return id
end

-- Let an operation wait for a time, at no cost meanwhile. `kind`: 'n' not before, 'o' back-off. `seq` orders equal times.
local function wait_until(account, kind, seq, id, at)
  redis.call('ZADD', key.account(account) .. ':tm', int(at), kind .. ':' .. seq .. ':' .. id)
end

-- Take a waiting operation out of wherever it waits: the late answer of an earlier call has settled it.
local function withdraw(o)
  if redis.call('ZREM', key.account(o.a) .. ':tm', 'o:0:' .. o.id) == 1 then return end
  if o.pr == 't' then
    redis.call('LREM', o.lane .. ':t', 1, o.id)
    return
  end
  local list = o.lane .. ':b:' .. o.source
  redis.call('LREM', list, 1, o.id)
  if redis.call('EXISTS', list) == 0 then redis.call('LREM', o.lane .. ':s', 0, o.source) end
end

-- Free the sender and end the lease of an operation in flight.
local function release(o, now)
  if redis.call('ZREM', key.account(o.a) .. ':fl', o.id) == 1 then redis.call('HINCRBY', key.meta, 'inflight', -1) end
  if redis.call('HGET', o.lane, 'f') == o.id then redis.call('HDEL', o.lane, 'f') end
  redis.call('HDEL', o.key, 'w', 'j')
end

-- What waited behind an operation in back-off, to the same recipient, goes to the head of the lane in its old order.
local function unpark(o)
  if redis.call('HGET', o.lane .. ':h', o.pair) ~= o.id then return end
  redis.call('HDEL', o.lane .. ':h', o.pair)
  local parked = o.lane .. ':k:' .. o.pair
  local id = redis.call('RPOP', parked)
  while id do
    enter_lane({ id = id, pr = o.pr, source = o.source, lane = o.lane }, true)
    id = redis.call('RPOP', parked)
  end
end

-- Back to the head of its lane: not an attempt. `unused`: it is certain that nothing was sent, so its slot goes back too.
local function give_back(o, now, a, unused)
  release(o, now)
  if a and unused and o.sl then bucket.give_back(a, tonumber(o.sl)) end
  redis.call('HSET', o.key, 's', 'w')
  enter_lane(o, true)
end

-- Back-off: an attempt was spent; what follows to the same recipient waits too.
local function retry_later(o, now, delay, error)
  release(o, now)
  redis.call('HSET', o.key, 's', 'w', 'le', error)
  redis.call('HINCRBY', o.key, 'at', 1)
  redis.call('HSET', o.lane .. ':h', o.pair, o.id)
  wait_until(o.a, 'o', '0', o.id, now + delay)
end

-- What this script run settled, for the caller's metrics.
local settled = {}
local function settled_json() return #settled > 0 and cjson.encode(settled) or '[]' end

-- The one outcome of an operation. `detail`: code, message_uuid, words (all optional).
local function finish(o, now, outcome, detail, retention_ms)
  release(o, now)
  unpark(o)
  redis.call('HSET', o.key, 's', 'd', 'oc', outcome, 'te', int(now), 'cd', detail.code or '', 'u', detail.uuid or '', 'le', detail.words or '')
  count(o, outcome, 1)
  settled[#settled + 1] = { o.a, o.k, outcome }
  if o.oc then
    count(o, o.oc, -1)  -- a late answer settles a held operation
    redis.call('ZREM', key.account(o.a) .. ':held', o.id)
  end
  if outcome == 'held' then
    redis.call('ZADD', key.account(o.a) .. ':held', int(now), o.id)
    redis.call('PERSIST', o.key)
  else
    redis.call('PEXPIRE', o.key, retention_ms)
  end
  redis.call('XADD', key.outcomes, 'MAXLEN', '~', OUTCOMES_KEPT, '*', 'id', o.id, 'account', o.a, 'campaign', o.c or '',
    'kind', o.k, 'outcome', outcome, 'code', detail.code or '', 'message_uuid', detail.uuid or '', 'words', detail.words or '',
    'accepted_at_us', o.t, 'settled_at_us', int(now))
end

-- Nobody knows whether the call took effect. Reconciliation is not built yet: `reconcile` is held, visibly, like `hold`.
local function unknown(o, now, words, retention_ms)
  local attempts = tonumber(o.at or 0) + 1
  if o.unk ~= 'resend' then
    finish(o, now, 'held', { code = 'unknown', words = words }, retention_ms)
    return 'held'
  elseif attempts >= tonumber(o.mx) then
    finish(o, now, 'dead', { code = 'unknown', words = words }, retention_ms)
    return 'dead'
  end
  retry_later(o, now, 2000000, words)
  return 'retry'
end

-- The instant at which a dispatcher must look at the account again, into the due index.
local function reschedule(a, now)
  local at = nil
  local function consider(t) if t and (not at or t < at) then at = t end end
  consider(tonumber(redis.call('ZRANGE', a.key .. ':fl', 0, 0, 'WITHSCORES')[2]))
  consider(tonumber(redis.call('ZRANGE', a.key .. ':tm', 0, 0, 'WITHSCORES')[2]))
  consider(tonumber(redis.call('ZRANGE', a.key .. ':sp', 0, 0, 'WITHSCORES')[2]))
  local probing = a.probe and a.probe ~= '' and a.probe ~= 'due'
  if not a.suspended and not probing
    and (redis.call('EXISTS', a.key .. ':rt') == 1 or redis.call('EXISTS', a.key .. ':rb') == 1) then
    consider(math.max(bucket.peek(a, a.paused_until) - LEAD, now))
  end
  if at then
    redis.call('ZADD', key.due, int(at), a.name)
  else
    redis.call('ZREM', key.due, a.name)
  end
  bucket.save(a)
  return at
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

local function current_epoch() return redis.call('HGET', key.meta, 'epoch') or '0' end

-- The same for scripts that take slots: a server process that is not the one we knew may have forgotten its last slots (with
-- `appendfsync everysec`), so every bucket starts empty. Returns the epoch, and '1' when a restart was just noticed.
local function checked_epoch()
  local run_id = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)') or ''
  local known = redis.call('HGET', key.meta, 'run_id')
  if known == run_id then return current_epoch(), '0' end
  redis.call('HSET', key.meta, 'run_id', run_id)
  if not known then return current_epoch(), '0' end
  return int(redis.call('HINCRBY', key.meta, 'epoch', 1)), '1'
end
-- How often the server's clock was found to have jumped: a slot of before a jump means nothing after it.
local function current_jumps() return redis.call('HGET', key.meta, 'jumps') or '0' end

-- Held for want of an answer that now has come after all, and says that nothing took effect: it waits again.
local function unhold(o)
  count(o, 'held', -1)
  redis.call('ZREM', key.account(o.a) .. ':held', o.id)
  redis.call('HDEL', o.key, 'oc', 'te', 'cd', 'u')
  o.oc = nil
end
