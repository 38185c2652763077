-- Open, seal, read and control a campaign: each at the same cost whatever its size.
--
-- KEYS  1 root
-- ARGV  1 verb, 2 campaign name, then
--         open:   3 common fields (JSON object of strings: see `common` in record.py), 4 digest of what must not change,
--                 5 options (JSON object of strings; '' takes one away), 6 '1' when it begins paused, '2' when it is held until its upload is whole,
--                 7 '1' when it needs an approval
--         seal:   3 rows offered, 4 rows invalid
--         change: 3 options
--         pause, cancel: 3 why
--         approve: 3 by whom
--         template: 3 payload (JSON), 4 digest: another template, while nothing has left
--         abandon: 3 why: its upload ended early; a campaign that was held for that stays so
--         zones:  3 openings of sets of zones (JSON object: id of a set to { names, "open-close ..." }); of a set that is known, they
--                 take the place of the old ones
--         read, read zones, resume, delete: nothing more
--       options: `weight`, `rate` and `cap` (its cap: the words, and us between two of its operations), `window`, `openings` (the
--       window's: "open-close ..." in us), `auto_pause` (percent), `vu`, `zoned`, `on_failure` (pools.lua), `not_within`, `silence`
-- reply open: 'opened' | 'continued' | 'different' | 'unknown account' | 'cancelled' | 'deleted' | 'forgotten' | 'no memory'
--       read: flat hash, `now` added; empty when unknown     read zones: flat, id of a set and its names     else: 'done' | 'unknown campaign' | 'cancelled' | 'complete' | 'begun' |
--       'not approved' | 'needs no approval'
-- keys  c:<name>, c:<name>:out, c:<name>:tm, c:<name>:z, campaigns, a:<acct> (read), a:<acct>:c, a:<acct>:tm, its lane's rotation, timers
-- What follows from a change (sources in or out of turn, memory given back) is a dispatcher's, at the account's next visit;
-- what must hold at once (paused, cancelled) is read by every grant and begin.
--@include keys.lua
--@include sources.lua
local verb, name = ARGV[1], ARGV[2]
local c = key.campaign(name)

if verb == 'read' then
  local all = redis.call('HGETALL', c)
  if #all > 0 then
    all[#all + 1] = 'now'
    all[#all + 1] = int(server_time())
  end
  return all
end

if verb == 'read zones' then
  local names = {}
  for field, words in pairs(whole(c .. ':z')) do
    local z = string.match(field, '^(.*):words$')
    if z then names[#names + 1], names[#names + 2] = z, words end
  end
  return names
end

-- What holds a campaign besides a person's pause, and is lifted by another event than `resume`.
local UNAPPROVED, PAUSED, UPLOADING = 'waiting for approval', 'uploaded paused', 'upload in progress'
local function hold(why)
  redis.call('HSET', c, 'hold', 'paused', 'hold_why', why, 'hold_at', int(server_time()))
end
local function lift() redis.call('HDEL', c, 'hold', 'hold_why', 'hold_at') end

-- Whoever wants an approval gets one: nothing that was approved before counts for what comes now.
local function want_approval()
  redis.call('HDEL', c, 'approved_by', 'approved_at')
  redis.call('HSET', c, 'approval', 'needed')
  hold(UNAPPROVED)
end

-- Let a dispatcher attend to it now.
local function poke(account)
  if redis.call('EXISTS', key.account(account)) == 0 then return end
  local now = int(server_time())
  redis.call('ZADD', key.account(account) .. ':tm', 'LT', now, 'c:0:' .. name)
  redis.call('ZADD', key.timers, 'LT', now, account)
end

-- A changed weight counts from the next turn on: what the source has to wait for its turn shrinks or grows with it.
local function reweigh(account, sender, old, new)
  local turns = key.lane(account, sender) .. ':w'
  local tag = tonumber(redis.call('ZSCORE', turns, name) or nil)
  if not tag then return end
  local first = tonumber(redis.call('ZRANGE', turns, 0, 0, 'WITHSCORES')[2])
  redis.call('ZADD', turns, int(first + math.floor((tag - first) * source.stride(new) / source.stride(old))), name)
end

local function set_options(options)
  local known = fields(c, { field.c.account, field.c.sender, field.c.weighted_senders, 'weight', 'cap', 'cap_next' })
  if options.weight and known.account then
    for sender in string.gmatch(known.weighted_senders or known.sender .. ':', '(%+%d+):') do
      reweigh(known.account, sender, known.weight, options.weight)
    end
  end
  for field, value in pairs(options) do
    if value == '' then
      redis.call('HDEL', c, field)
    else
      redis.call('HSET', c, field, value)
    end
  end
  if options.openings then redis.call('HDEL', c, 'opens', 'closes') end
  if options.cap == '' then
    redis.call('HDEL', c, 'cap_next')
  elseif options.cap and known.cap and known.cap_next then
    redis.call('HSET', c, 'cap_next', int(tonumber(known.cap_next) - tonumber(known.cap) + tonumber(options.cap)))
  end
end

-- Whether the account does not remember for as long as a campaign asks it to.
local function forgets(account, options)
  local silence = options[field.c.silence] or ''
  return silence ~= '' and tonumber(redis.call('HGET', key.account(account), 'remember') or 0) < tonumber(silence)
end

local function forget(account)
  redis.call('UNLINK', c, c .. ':out', c .. ':tm', c .. ':z')
  redis.call('SREM', key.campaigns, name)
  redis.call('SREM', key.account(account) .. ':c', name)
  redis.call('ZREM', key.account(account) .. ':tm', 'c:0:' .. name)
end

-- Whether it can be undone: no operation has left or has an outcome.
local OUTCOMES = { 'accepted', 'rejected', 'expired', 'cancelled', 'dead', 'held' }
local function is_fresh()
  if redis.call('HEXISTS', c, 'fresh') == 0 then return false end
  for _, number in pairs(fields(c, OUTCOMES)) do
    if tonumber(number) ~= 0 then return false end
  end
  return true
end

if verb == 'open' then
  local common = cjson.decode(ARGV[3])
  if redis.call('EXISTS', key.account(common.account)) == 0 then return 'unknown account' end
  if forgets(common.account, cjson.decode(ARGV[5])) then return 'no memory' end
  local known = fields(c, { 'digest', 'hold', 'forgets_at', field.c.account, 'fresh', 'received', 'doomed' })
  if known.doomed then return 'deleted' end
  if known.digest and known.digest ~= ARGV[4] then
    if not known.fresh or known.hold == 'cancelled' or tonumber(known.received or 0) > 0 then return 'different' end
    forget(known.account)  -- no row was ever written: it may as well be this one
    known = {}
  end
  if known.hold == 'cancelled' then return 'cancelled' end
  -- Of recipients that were forgotten nobody could tell that they had their message.
  if known.forgets_at and tonumber(known.forgets_at) <= server_time() then return 'forgotten' end
  redis.call('SADD', key.account(common.account) .. ':c', name)
  if common[field.c.weighted_senders] then redis.call('HSET', key.account(common.account), 'pooled', '1') end
  set_options(cjson.decode(ARGV[5]))
  if known.digest then
    -- Continued another day: all rows, old and new, are valid as long as was asked for last.
    redis.call('HSET', c, field.c.valid_until, common.valid_until, 'sealed', '0')
    redis.call('HDEL', c, 'completed_at')
    redis.call('PERSIST', c .. ':out')
    redis.call('PERSIST', c .. ':z')
    if common.unknown_letter then redis.call('HSET', c, field.c.unknown_letter, common.unknown_letter) end  -- one of the previous release has none
    if ARGV[7] == '1' then want_approval() end
    if common[field.c.weighted_senders] then
      -- Senders that left the pool go on with what they have.
      local senders = common[field.c.weighted_senders]
      for sender in string.gmatch(redis.call('HGET', c, field.c.weighted_senders) or '', '(%+%d+):') do
        if not string.find(senders, sender .. ':', 1, true) then senders = senders .. ' ' .. sender .. ':0' end
      end
      redis.call('HSET', c, field.c.weighted_senders, senders)
    end
    poke(common.account)
    return 'continued'
  end
  for field, value in pairs(common) do redis.call('HSET', c, field, value) end
  redis.call('HSET', c, 'digest', ARGV[4], 'created', int(server_time()), 'sealed', '0', 'fresh', '1')
  if ARGV[7] == '1' then want_approval() end
  if ARGV[6] == '1' then
    if ARGV[7] == '1' then redis.call('HSET', c, 'begins_paused', '1') else hold(PAUSED) end
  elseif ARGV[6] == '2' then
    redis.call('HSET', c, 'uploading', '1')
    hold(UPLOADING)
  end
  redis.call('SADD', key.campaigns, name)
  return 'opened'
end

local known = fields(c, { field.c.account, 'hold', 'completed_at', 'uploading', 'approval', 'begins_paused' })
if not known.account then return 'unknown campaign' end
if verb == 'seal' then
  redis.call('HSET', c, 'sealed', '1', 'offered', ARGV[3], 'invalid', ARGV[4])
  if known.uploading then
    redis.call('HDEL', c, 'uploading')
    if known.approval == 'needed' then hold(UNAPPROVED) else lift() end
  end
  if not known.completed_at then poke(known.account) end
  return 'done'
end
if verb == 'zones' then
  for z, told in pairs(cjson.decode(ARGV[3])) do
    local is_known = redis.call('HEXISTS', c .. ':z', z .. ':words') == 1
    redis.call('HSET', c .. ':z', z .. ':words', told[1], z .. ':openings', told[2])
    if is_known then
      redis.call('HDEL', c .. ':z', z .. ':opens', z .. ':closes')
      redis.call('HSET', c, 'rezoned', '1')
    end
  end
  if not known.completed_at then poke(known.account) end
  return 'done'
end
if verb == 'delete' then
  if redis.call('HEXISTS', c, 'doomed') == 1 then return 'done' end
  if known.hold == 'cancelled' then return 'cancelled' end
  if not is_fresh() then return 'begun' end
  if tonumber(redis.call('HGET', c, 'received') or 0) == 0 then
    forget(known.account)
  else
    redis.call('HSET', c, 'hold', 'cancelled', 'hold_why', 'it is being deleted', 'hold_at', int(server_time()), 'doomed', '1')
    redis.call('HDEL', c, 'completed_at')
    redis.call('SADD', key.account(known.account) .. ':c', name)
    poke(known.account)
  end
  return 'done'
end
if known.hold == 'cancelled' then return 'cancelled' end
if verb == 'template' then
  if not is_fresh() then return 'begun' end
  redis.call('HSET', c, field.c.template, ARGV[3], 'digest', ARGV[4])
  if known.approval then want_approval() end  -- what was approved is not what would leave
  return 'done'
end
if known.completed_at then return 'complete' end
if verb == 'abandon' then
  if known.uploading then redis.call('HSET', c, 'hold_why', ARGV[3]) end
  return 'done'
end
if verb == 'approve' then
  if not known.approval then return 'needs no approval' end
  if known.approval == 'given' then return 'done' end
  redis.call('HSET', c, 'approval', 'given', 'approved_by', ARGV[3], 'approved_at', int(server_time()))
  redis.call('HDEL', c, 'begins_paused')
  if not known.uploading then
    if known.begins_paused then hold(PAUSED) else lift() end
  end
elseif verb == 'change' then
  if forgets(known.account, cjson.decode(ARGV[3])) then return 'no memory' end
  set_options(cjson.decode(ARGV[3]))
elseif verb == 'resume' and known.approval == 'needed' then
  return 'not approved'
elseif verb == 'resume' then
  -- A person says that its senders work again.
  for sender in string.gmatch(redis.call('HGET', c, 'failed') or '', '%+%d+') do
    redis.call('HDEL', c, 'failed:' .. sender)
    redis.call('HDEL', key.lane(known.account, sender), field.l.suspicions, field.l.busy_since)
  end
  redis.call('HDEL', c, 'failed')
  redis.call('HDEL', c, 'hold', 'hold_why', 'hold_at', 'recent', 'uploading')
elseif verb == 'pause' and known.approval == 'needed' then
  redis.call('HSET', c, 'begins_paused', '1')  -- it stays so when it is approved
elseif verb == 'cancel' or known.hold ~= 'paused' or known.uploading then
  redis.call('HDEL', c, 'uploading')
  redis.call('HSET', c, 'hold', verb == 'cancel' and 'cancelled' or 'paused', 'hold_why', ARGV[3], 'hold_at', int(server_time()))
end
poke(known.account)
return 'done'
