-- Just before the call: is this grant still mine? Then hand me the payload, and mark it as being sent.
--
-- KEYS  1 root
-- ARGV  1 owner (unique per delivered batch), 2 lease after begin (us), 3 slot tolerance floor (us), 4 retention (ms),
--       then id, token per operation
-- reply { server time, then one JSON text per operation: {"s":"go", ...} or {"s":"no","why":...} }
--         why: 'stale' (another grant owns it, or it is settled), 'suspended', 'paused', 'missed'
-- keys  o:<id>, a:<acct>, a:<acct>:fl, lanes, due
-- Replayable: the same owner asking again for the same token gets the same answer.
--@include keys.lua
--@include bucket.lua
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

local function begin(id, token)
  local o = load_operation(id)
  if not o or o.n ~= token or (o.s ~= 'g' and not (o.s == 's' and o.w == owner)) then return { s = 'no', why = 'stale' } end
  local a = account_of(o.a)
  if o.s == 'g' then
    if not a then return refuse(o, a, 'suspended') end
    if a.suspended then return refuse(o, a, 'suspended') end
    if a.paused_until > now and a.probe ~= id then return refuse(o, a, 'paused') end
    if o.j ~= jumps then return refuse(o, a, 'missed') end
    if now > tonumber(o.sl) + math.max(a.variation / 2, floor) then return refuse(o, a, 'missed') end
    redis.call('HSET', o.key, 's', 's', 'w', owner)
    redis.call('ZADD', a.key .. ':fl', int(now + lease), id)
    touched[o.a] = a
  end
  return {
    s = 'go', account = o.a, kind = o.k, sender = o.f, to = o.to, payload = o.p, campaign = o.c,
    template = o.c and campaign_common(o.c).p or nil, priority = o.pr, accepted_at = o.t, max_attempts = o.mx, on_unknown = o.unk,
    attempts = o.at or '0', slot = o.sl, tolerance = int(math.max(a.variation / 2, floor)), window = a.window,
    throttled = int(a.throttled), key_version = a.key_version,
  }
end

for i = 5, #ARGV, 2 do reply[#reply + 1] = cjson.encode(begin(ARGV[i], ARGV[i + 1])) end
for _, a in pairs(touched) do reschedule(a, now) end
return reply
