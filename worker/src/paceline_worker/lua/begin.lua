-- Just before the call: is this grant still mine? Then make its slot final, hand me the payload, and mark it as being sent.
--
-- KEYS  1 root
-- ARGV  1 owner (unique per worker process), 2 lease after begin (us), 3 slot tolerance floor (us),
--       4 notice: from this script's time until the worker can make the call (us, as it measured lately),
--       5 '1': look whether the server was restarted,
--       then id, token, how many questions this worker has asked about the grant (1 the first time) per operation
-- reply { server time, '1' when a restart of the server was just noticed, then one JSON text per operation:
--         {"s":"go", "slot", ...} | {"s":"wait", "slot", "account"}: ask again just before that slot | {"s":"no", "why", "account"} }
--         why: 'stale' (another grant owns it, or it is settled), 'suspended', 'paused', 'suppressed' (grant.lua ends it), 'far' (its next slot is too far
--         ahead, or outside its window: grant.lua decides again)
--         "go" also tells its seals, what it follows, what its earlier calls brought, whether the call looks up an unknown outcome, and with
--         "moved" that its slot was changed
-- keys  fl, o:<id>, a:<acct>, lanes, due, timers, u:<uuid> (read), sup:<acct> (read)
-- An operation that comes too late for its slot is not thrown away: it moves to the account's next slot, under the same limits. A
-- worker that finds itself late after "go" has not made the call; it asks once more, with a higher number.
-- Replayable: the same question gets the same answer, also when it arrives after a later one. So nothing that the worker has acted
-- upon is taken back.
--@include shared/moves.lua
--@include shared/suppression.lua
needed = { 'hold', 'ramp', field.c.weighted_senders, field.c.template, 'fresh', field.c.trace, field.c.seal, 'unsealed' }
local owner, lease, floor, notice = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local now = server_time()
local epoch, restarted = checked_epoch(ARGV[5] == '1')
local jumps = current_jumps()
-- With more time than this until its slot the operation stays granted: a worker that is killed meanwhile leaves nothing unknown.
local EARLY = 300000
local accounts, touched, moved = {}, {}, {}
-- Leases that it changes, written together: until then those of the grants hold.
local leases = {}
local reply = { int(now), restarted }

local function account_of(name)
  if accounts[name] == nil then accounts[name] = load_account(name, now, epoch) or false end
  return accounts[name]
end

local function refuse(o, a, why)
  leases[o.id] = nil
  moves.give_back(o, now, a, true)
  if a and a.probe == o.id then throttling.set_probe(a, 'due') end
  lanes.refresh(o.account, o.sender, now)
  touched[o.account] = a or nil
  return { s = 'no', why = why, account = o.account }
end

-- Which question the owner's last answer was for, or nil when another worker has the grant.
local function answered(o)
  local who, number = string.match(o.question or '', '^(.*)|(%d+)$')
  return who == owner and tonumber(number) or nil
end

-- Why it must not leave now, or nil.
local function objection(o, a)
  if o.cancelled_because and not o.look_up then
    timers.set(CANCELLED .. o.id, now)
    return 'paused'
  end
  if not a or a.suspended then return 'suspended' end
  -- A probe begins just before the pause ends, for a slot after it; not when the pause was made longer meanwhile.
  if a.paused_until > now and (a.probe ~= o.id or a.paused_until > tonumber(o.slot)) then return 'paused' end
  if breaker_awake and breaker.bars(o.id, now) then return 'paused' end
  if o.source ~= '-' and campaign.of(o.campaign).hold then return 'paused' end
  return suppression.bars(a, o) and 'suppressed' or nil
end

-- Whether it may be sent at a later slot than it was granted for.
local function still_open(o, slot)
  if o.look_up then return true end
  if o.valid_until and tonumber(o.valid_until) <= slot then return false end
  if o.openings and campaign.opening_at(o.openings, slot) ~= slot then return false end
  if o.zones then
    local opens, closes = zone.opening(o.campaign, o.zones, slot)
    return closes ~= 0 and opens <= slot
  end
  local c = o.source ~= '-' and campaign.of(o.campaign) or {}
  return not c.window or not c.closes or c.closes == '0' or slot < tonumber(c.closes)
end

-- The slot that it keeps, or its new slot because it is late; nil when that slot is too far ahead, or it
-- may not be sent then.
local function final_slot(o, a, tolerance)
  local slot = tonumber(o.slot)
  -- A slot further ahead than any grant reaches was given by a clock that has been set back since.
  local meant = o.jumps == jumps and slot <= now + FAR
  if meant and now + notice <= slot + tolerance / 2 then return slot end
  local later = bucket.move(a, slot, math.max(now + notice, a.paused_until), o.priority == 'b')
  -- The account's next slot is later now. The due index may be early, and mostly the account has nothing else to send.
  moved[#moved + 1] = a
  if later > now + FAR or not still_open(o, later) then
    bucket.give_back(a, later)
    return nil
  end
  if has_budget(a, o) then budget.move(a, o, slot, later) end
  campaign.moved(o, later)
  redis.call('HSET', o.key, field.o.slot, int(later), field.o.jumps, jumps)
  o.slot, o.moved = int(later), '1'
  return later
end

-- The operation it follows (its handle at the provider, its target, its result), and when the group it is about was made here.
local function followed_of(o)
  local maker = o.follows and fields(key.operation(o.follows), { field.o.handle, 'to', field.o.result, field.o.settled_at, field.o.kind })
  if maker then
    return { uuid = maker.handle or '', to = maker.to or '', result = maker.result or '{}' }, maker.kind == 'group.create' and maker.settled_at or nil
  end
  local made_by = string.sub(o.to, 1, 1) == 'W' and redis.call('GET', key.claim(o.to))
  return nil, made_by and redis.call('HGET', key.operation(made_by), field.o.settled_at) or nil
end

local function begin(id, token, question)
  local o = load_operation(id)
  if not o or o.token ~= token or (o.state ~= 'g' and o.state ~= 's') then return { s = 'no', why = 'stale' } end
  local last = o.state == 's' and answered(o)
  if o.state == 's' and (not last or question < last) then return { s = 'no', why = 'stale' } end

  local a = account_of(o.account)
  local tolerance = a and math.max(a.variation / 2, floor) or floor

  if question ~= last then
    local why = objection(o, a)
    if why then return refuse(o, a, why) end
    local slot = final_slot(o, a, tolerance)
    if not slot then return refuse(o, a, 'far') end

    if slot > now + notice + EARLY then
      redis.call('HSET', o.key, field.o.state, 'g')
      leases[id] = int(slot + GRANT_LEASE)
      return { s = 'wait', slot = int(slot), account = o.account, moved = o.moved }
    end

    redis.call('HSET', o.key, field.o.state, 's', field.o.question, owner .. '|' .. question)
    if o.campaign then
      campaign.begun(o.campaign)
      if campaign.of(o.campaign).ramp and not o.look_up then ramp.count(o, slot) end
    end
    leases[id] = int(now + lease)
  end

  if not a then return { s = 'no', why = 'stale' } end  -- it was removed after an answer that was lost
  local followed, made_at = followed_of(o)
  return {
    followed = followed, made_at = made_at, result = o.result, phase = o.look_up, sent_at = o.unknown_slot, was_unknown = o.was_unknown and '1',
    clock_set = o.look_up and (o.unknown_jumps or jumps) ~= jumps and '1' or nil,
    channel = o.kind == 'message.delete' and redis.call('HGET', o.lane, field.l.channel) or nil, treat_503 = a.treat_503,
    s = 'go', account = o.account, kind = o.kind, sender = o.sender, to = o.to, payload = o.payload, campaign = o.campaign,
    template = o.campaign and campaign.of(o.campaign).template or nil, priority = o.priority, accepted_at = o.accepted_at, max_attempts = o.max_attempts, on_unknown = o.on_unknown,
    -- Which of several senders it is was chosen after its record was sealed.
    sealed_sender = o.campaign and campaign.of(o.campaign).weighted_senders and campaign.of(o.campaign).sender or nil,
    -- The recipient is encrypted: the worker asks the lists when it has the number.
    listed = string.sub(o.to, 1, 2) == '+x' and not o.look_up and suppression.concerns(a, o.to, o.kind, o.exempt) and '1' or nil,
    seal = o.seal, follows = o.follows, campaign_seal = o.campaign and campaign.of(o.campaign).seal or nil, unsealed = o.campaign and campaign.of(o.campaign).unsealed or nil,
    attempts = o.attempts or '0', slot = o.slot, tolerance = int(tolerance), window = a.window, moved = o.moved,
    hurried = a.base <= FAST and '1' or nil,
    throttled = int(a.throttled), key_version = a.key_version, trace = o.trace, upload_trace = o.campaign and campaign.of(o.campaign).trace or nil,
  }
end

for i = 6, #ARGV, 3 do reply[#reply + 1] = cjson.encode(begin(ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2]))) end
local changed = {}
for id, ends_at in pairs(leases) do changed[#changed + 1], changed[#changed + 2] = ends_at, id end
if #changed > 0 then redis.call('ZADD', key.in_flight, unpack(changed)) end
for _, a in pairs(touched) do reschedule(a, now) end
for _, a in ipairs(moved) do bucket.save(a) end
return reply
