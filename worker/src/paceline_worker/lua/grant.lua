-- Grant everything that is due: take a slot, take the operation from its lane, put it in flight under a lease and a token.
--
-- KEYS  1 root
-- ARGV  1 most operations to grant, 2 fleet capacity (operations in flight, all workers), 3 most accounts to visit,
--       4 retention of settled operations (ms)
-- reply { server time, next look (us; '' none), leases given back, JSON list of {account, kind, outcome} settled on the way,
--         fleet room left, '1' when a restart of the server was just noticed, then id, token, slot per grant }
-- keys  due, meta, a:<acct> and its sets, lanes, o:<id>
-- Cost: a constant number of commands per grant and per account visited, whatever waits behind.
-- Not replayable by design: a lost reply leaves granted operations that nobody begins, and their leases give them back.
--@include keys.lua
--@include bucket.lua
--@include lanes.lua
local most, capacity, most_accounts, retention = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local now = server_time()
local epoch, restarted = checked_epoch()
local jumps = current_jumps()
local room = math.min(most, capacity - tonumber(redis.call('HGET', key.meta, 'inflight') or 0))
local granted = {}
local swept_back = 0

-- Leases that ran out. Before begin: nothing was sent, back to the lane. After it: unknown.
local function sweep_leases(a)
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', a.key .. ':fl', '-inf', int(now), 'LIMIT', 0, 50)) do
    local o = load_operation(id)
    if not o then
      redis.call('ZREM', a.key .. ':fl', id)
      redis.call('HINCRBY', key.meta, 'inflight', -1)
    else
      if o.s == 's' then
        unknown(o, now, 'the worker did not report back before its lease ran out', retention)
      else
        give_back(o, now, a, true)
        swept_back = swept_back + 1
      end
      if a.probe == id then set_probe(a, 'due') end
      refresh_lane(a.name, o.f, now)
    end
  end
end

local function fire_timers(a)
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', a.key .. ':tm', '-inf', int(now), 'LIMIT', 0, 100)) do
    redis.call('ZREM', a.key .. ':tm', member)
    local o = load_operation(string.match(member, '[^:]+$'))
    if o and o.s == 'w' then
      enter_lane(o, string.sub(member, 1, 1) == 'o')
      refresh_lane(a.name, o.f, now)
    end
  end
  for _, sender in ipairs(redis.call('ZRANGEBYSCORE', a.key .. ':sp', '-inf', int(now), 'LIMIT', 0, 100)) do
    redis.call('ZREM', a.key .. ':sp', sender)
    refresh_lane(a.name, sender, now)
  end
end

-- The next operation of the account that may be sent, or nil. Transactional lanes first; lanes of a class in turn.
local function next_operation(a, slot)
  for _ = 1, SKIPS do
    local class = 'rt'
    local sender = redis.call('ZRANGE', a.key .. ':rt', 0, 0)[1]
    if not sender then
      class = 'rb'
      sender = redis.call('ZRANGE', a.key .. ':rb', 0, 0)[1]
    end
    if not sender then return nil end
    local id = leave_lane(key.lane(a.name, sender), class)
    local o = id and load_operation(id)
    if not o or o.s ~= 'w' then
      refresh_lane(a.name, sender, now)
    elseif o.vu and tonumber(o.vu) <= slot then
      finish(o, now, 'expired', { words = 'its valid_until passed before its turn came' }, retention)
      refresh_lane(a.name, sender, now)
    else
      local ahead = redis.call('HGET', o.lane .. ':h', o.pair)
      if not ahead or ahead == id then return o end
      redis.call('RPUSH', o.lane .. ':k:' .. o.pair, id)
      refresh_lane(a.name, sender, now)
    end
  end
  return nil
end

local function visit(name)
  local a = load_account(name, now, epoch)
  if not a then
    redis.call('ZREM', key.due, name)
    return
  end
  sweep_leases(a)
  fire_timers(a)
  while room > 0 and not a.suspended and (not a.probe or a.probe == '' or a.probe == 'due') do
    local slot = bucket.peek(a, math.max(now + HOP, a.paused_until))
    if slot > now + LEAD then break end
    local o = next_operation(a, slot)
    if not o then break end
    bucket.take(a, slot)
    local token = redis.call('HINCRBY', o.key, 'n', 1)
    redis.call('HSET', o.key, 's', 'g', 'sl', int(slot), 'j', jumps)
    redis.call('ZADD', a.key .. ':fl', int(slot + GRANT_LEASE), o.id)
    redis.call('HINCRBY', key.meta, 'inflight', 1)
    redis.call('HSET', o.lane, 'f', o.id)
    refresh_lane(name, o.f, now)
    if a.probe == 'due' then set_probe(a, o.id) end
    room = room - 1
    granted[#granted + 1] = o.id
    granted[#granted + 1] = token
    granted[#granted + 1] = int(slot)
  end
  reschedule(a, now)
end

for _, name in ipairs(redis.call('ZRANGEBYSCORE', key.due, '-inf', int(now), 'LIMIT', 0, most_accounts)) do visit(name) end

local following = redis.call('ZRANGE', key.due, 0, 0, 'WITHSCORES')[2]
return { int(now), following and int(tonumber(following)) or '', swept_back, settled_json(), room, restarted, unpack(granted) }
