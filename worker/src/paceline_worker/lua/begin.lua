-- Just before the call: is this grant still mine? Then hand me the payload, and mark it as being sent.
--
-- KEYS  1 root
-- ARGV  1 owner (unique per delivered batch), 2 lease after begin (us), 3 slot tolerance floor (us), 4 retention (ms),
--       then id, token per operation
-- reply { server time, then one JSON text per operation: {"s":"go", ...} or {"s":"no","why":...} }
--         why: 'stale' (another grant owns it, or it is settled), 'suspended', 'paused', 'missed'
--         "go" also tells what it follows, what its earlier calls brought, whether the call looks up an unknown outcome
-- keys  o:<id>, a:<acct>, a:<acct>:fl, lanes, due, u:<uuid> (read)
-- Replayable: the same owner asking again for the same token gets the same answer.
--@include keys.lua
--@include sources.lua
--@include bucket.lua
--@include breaker.lua
--@include budgets.lua
--@include campaigns.lua
--@include lanes.lua
local owner, lease, floor = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local now = server_time()
local epoch, jumps = current_epoch(), current_jumps()
local accounts, touched = {}, {}
local reply = { int(now) }

local function account_of(name)
  if accounts[name] == nil then accounts[name] = load_account(name, now, epoch) or false end
  return accounts[name]
end

local function refuse(o, a, why)
  give_back(o, now, a, true)
  if a and a.probe == o.id then set_probe(a, 'due') end
  refresh_lane(o.a, o.f, now)
  touched[o.a] = a or nil
  return { s = 'no', why = why, account = o.a }
end

-- The operation it follows (its handle at the provider, its target, its result), and when the group it is about was made here.
local function followed_of(o)
  local maker = o.rf and fields(key.operation(o.rf), { 'u', 'to', 'rs', 'te', 'k' })
  if maker then
    return { uuid = maker.u or '', to = maker.to or '', result = maker.rs or '{}' }, maker.k == 'group.create' and maker.te or nil
  end
  local made_by = string.sub(o.to, 1, 1) == 'W' and redis.call('GET', key.claim(o.to))
  return nil, made_by and redis.call('HGET', key.operation(made_by), 'te') or nil
end

local function begin(id, token)
  local o = load_operation(id)
  if not o or o.n ~= token or (o.s ~= 'g' and not (o.s == 's' and o.w == owner)) then return { s = 'no', why = 'stale' } end
  local a = account_of(o.a)
  if o.s == 'g' then
    if not a then return refuse(o, a, 'suspended') end
    if a.suspended then return refuse(o, a, 'suspended') end
    -- A probe begins just before the pause ends, for a slot after it; not when the pause was made longer meanwhile.
    if a.paused_until > now and (a.probe ~= id or a.paused_until > tonumber(o.sl)) then return refuse(o, a, 'paused') end
    if breaker.bars(id, now) then return refuse(o, a, 'paused') end
    if o.source ~= '-' and campaign.of(o.c).hold then return refuse(o, a, 'paused') end
    if o.j ~= jumps then return refuse(o, a, 'missed') end
    if now > tonumber(o.sl) + math.max(a.variation / 2, floor) then return refuse(o, a, 'missed') end
    redis.call('HSET', o.key, 's', 's', 'w', owner)
    redis.call('ZADD', a.key .. ':fl', int(now + lease), id)
    touched[o.a] = a
  end
  local followed, made_at = followed_of(o)
  return {
    followed = followed, made_at = made_at, result = o.rs, phase = o.ph, sent_at = o.ul, was_unknown = o.uk,
    channel = o.k == 'message.delete' and redis.call('HGET', o.lane, 'ch') or nil, treat_503 = a and a.treat_503 or nil,
    s = 'go', account = o.a, kind = o.k, sender = o.f, to = o.to, payload = o.p, campaign = o.c,
    template = o.c and campaign.of(o.c).p or nil, priority = o.pr, accepted_at = o.t, max_attempts = o.mx, on_unknown = o.unk,
    attempts = o.at or '0', slot = o.sl, tolerance = int(math.max(a.variation / 2, floor)), window = a.window,
    throttled = int(a.throttled), key_version = a.key_version, trace = o.tp, upload_trace = o.c and campaign.of(o.c).tp or nil,
  }
end

for i = 5, #ARGV, 2 do reply[#reply + 1] = cjson.encode(begin(ARGV[i], ARGV[i + 1])) end
for _, a in pairs(touched) do reschedule(a, now) end
return reply
