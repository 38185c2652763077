-- Operations of unknown outcome that wait for a person: list them, send one again, or leave it.
--
-- KEYS  1 root
-- ARGV  1 verb, then
--         list:    2 most operations, 3 account, or '' for all of them
--         release: 2 id, 3 new valid_until (us; '' keeps its own), 4 validity from now on when its own has passed (us)
--                  it did not take effect: back to the head of its lane, with all its attempts
--         drop:    2 id, 3 retention (ms), 4 reason or ''
--                  whether it took effect stays unknown: its outcome is `cancelled`, and what follows it is rejected
-- reply list:  { server time, how many are held, then { id, account, kind, since when (us), words } each, oldest first },
--              or 'unknown account'
--       else:  { 'done' | 'unknown operation' | 'past' (the new valid_until) | 'not held', its state or outcome |
--                'cancelled', its campaign }
-- keys  a:<acct>:held, o:<id>, f:<id>, lanes, a:<acct>:n, c:<name>, outcomes, due
-- Cost: of a list, a constant number of commands per account and per operation listed, however many are held.
-- Replayable: what was released or dropped is not held any more, and changes nothing.
--@include shared/moves.lua
local verb = ARGV[1]
local now = server_time()

-- One account's oldest held operation from `place` on, or nil.
local function held_at(account, place)
  local found = redis.call('ZRANGE', key.account(account) .. ':held', place, place, 'WITHSCORES')
  return found[1] and { account = account, place = place, id = found[1], since = tonumber(found[2]) }
end

local function before(one, other) return one.since < other.since or (one.since == other.since and one.id < other.id) end

-- Each account is a queue by time; the oldest of their heads is always the last of `heads`.
local function list(most, names)
  local total, heads, found = 0, {}, {}
  for _, name in ipairs(names) do
    total = total + redis.call('ZCARD', key.account(name) .. ':held')
    heads[#heads + 1] = held_at(name, 0)
  end
  table.sort(heads, function(one, other) return before(other, one) end)
  while #heads > 0 and #found < most do
    local head = table.remove(heads)
    local o = load_operation(head.id)
    found[#found + 1] = { head.id, head.account, o and o.kind or '', int(head.since), o and o.words or '' }
    local following = held_at(head.account, head.place + 1)
    if following then
      local place = #heads
      while place > 0 and before(heads[place], following) do place = place - 1 end
      table.insert(heads, place + 1, following)
    end
  end
  return { int(now), total, unpack(found) }
end

local function send_again(o, valid_until, validity)
  moves.unhold(o)
  redis.call('HDEL', o.key, field.o.attempts, field.o.lost_workers)
  if o.was_unknown then redis.call('HSET', o.key, field.o.was_unknown, '0') end
  if valid_until ~= '' then
    redis.call('HSET', o.key, field.o.valid_until, valid_until)
  elseif o.valid_until and tonumber(o.valid_until) <= now then
    redis.call('HSET', o.key, field.o.valid_until, int(now + tonumber(validity)))
  end
  story.tell(o, now, 'released')
  redis.call('HSET', o.key, field.o.state, 'w')
  lanes.enter(o, true, now)
end

if verb == 'list' then
  if ARGV[3] == '' then return list(tonumber(ARGV[2]), redis.call('SMEMBERS', key.accounts)) end
  if redis.call('SISMEMBER', key.accounts, ARGV[3]) == 0 then return 'unknown account' end
  return list(tonumber(ARGV[2]), { ARGV[3] })
end

if verb == 'release' and ARGV[3] ~= '' and tonumber(ARGV[3]) <= now then return { 'past' } end
local o = load_operation(ARGV[2])
if not o then return { 'unknown operation' } end
if o.state ~= 'd' or o.outcome ~= 'held' then return { 'not held', o.state == 'd' and o.outcome or o.state } end
if verb == 'release' and o.campaign and campaign.of(o.campaign).hold == 'cancelled' then return { 'cancelled', o.campaign } end
-- The outcome that it leaves becomes a line of its story.
story.tell(o, tonumber(o.settled_at), 'held', redis.call('HGET', o.key, field.o.code) or '', o.words)
if verb == 'release' then
  send_again(o, ARGV[3], ARGV[4])
else
  local words = 'dropped by hand after an unknown outcome' .. (ARGV[4] ~= '' and ': ' .. ARGV[4] or '')
  outcomes.finish(o, now, 'cancelled', { code = 'dropped', words = words }, ARGV[3])
end
lanes.refresh(o.account, o.sender, now)
local a = load_account(o.account, now, current_epoch())
if a then reschedule(a, now) end
return { 'done' }
