-- Dead letters: operations that were rejected or whose attempts are used up. List them; let some of them wait again.
--
-- KEYS  1 root
-- ARGV  1 verb, then
--         begin:  2 account, or '' for all of them, 3 campaign or ''
--         heads:  2 from, 3 before (us), then account names
--         page:   2 account, 3 cursor "<since (us)>:<id>" (what stands after it; the id may be ''), 4 before (us),
--                 5 most operations to look at, 6 code or '', 7 campaign or ''
--         replay: 2 new valid_until (us; '' keeps its own), 3 validity from now on when its own has passed (us), 4 retention (ms),
--                 5 only what died before (us; '' whenever), 6 '1' only says what it would do, then ids
-- reply begin:  { server time, names of the accounts to look at } | 'unknown account' | 'unknown campaign'
--       heads:  { account, dead letters in that time, since when the first of them (us) } of each account that has any
--       page:   { next cursor ('' after the last page), then { id, since when (us), outcome, kind, campaign, code, words } each,
--               oldest first }
--       replay: per id { 'replayed' } | { why not, more }: 'unknown operation' | 'no dead letter', its state or outcome |
--               'died again' | 'account removed', its account | 'cancelled', its campaign; or 'past' (the new valid_until)
-- keys  accounts, a:<acct>:dead, o:<id>, c:<name>, lanes, a:<acct>:n, a:<acct>:c, a:<acct>:tm, u:<uuid>, due
-- Cost: of heads, a constant number of commands per account; of a page, one per operation looked at, whatever stands before and
-- behind it; of replay, a constant number per operation.
-- Replayable: what was replayed is no dead letter any more, and changes nothing.
--@include shared/moves.lua
local verb = ARGV[1]
local now = server_time()

local function letters(account) return key.account(account) .. ':dead' end

local function is_dead_letter(s, outcome) return s == 'd' and (outcome == 'rejected' or outcome == 'dead') end

local function begin(account, name)
  if account ~= '' and redis.call('SISMEMBER', key.accounts, account) == 0 then return 'unknown account' end
  local of_campaign = name ~= '' and campaign.of(name).account
  if name ~= '' and not of_campaign then return 'unknown campaign' end
  if not of_campaign and account == '' then return { int(now), redis.call('SMEMBERS', key.accounts) } end
  return { int(now), (not of_campaign or account == '' or account == of_campaign) and { of_campaign or account } or {} }
end

local function heads(from, before, first_name)
  local found = {}
  for i = first_name, #ARGV do
    local number = redis.call('ZCOUNT', letters(ARGV[i]), from, '(' .. before)
    if number > 0 then
      local oldest = redis.call('ZRANGEBYSCORE', letters(ARGV[i]), from, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
      found[#found + 1] = { ARGV[i], number, int(tonumber(oldest[2])) }
    end
  end
  return found
end

-- The place of what stands after a cursor, whether the operation that it names is still there or not: those of one instant stand
-- in the order of their ids.
local function place_after(dead, cursor)
  local since, id = string.match(cursor, '^(%d+):(.*)$')
  local low, high = redis.call('ZCOUNT', dead, '-inf', '(' .. since), redis.call('ZCOUNT', dead, '-inf', since)
  while low < high do
    local middle = math.floor((low + high) / 2)
    if redis.call('ZRANGE', dead, middle, middle)[1] <= id then low = middle + 1 else high = middle end
  end
  return low
end

local function page(account, cursor, before, most, code, name)
  local dead = letters(account)
  local place = place_after(dead, cursor)
  local members = redis.call('ZRANGE', dead, place, place + most - 1, 'WITHSCORES')
  local found, gone, following = { '' }, {}, #members == 2 * most
  for i = 1, #members, 2 do
    local id, since = members[i], tonumber(members[i + 1])
    if since >= before then
      following = false
      break
    end
    local state, outcome, name_of, kind, answered, words = unpack(redis.call('HMGET', key.operation(id), field.o.state, field.o.outcome,
      field.o.campaign, field.o.kind, field.o.code, field.o.words))
    if not is_dead_letter(state, outcome) then
      gone[#gone + 1] = id  -- deleted after its retention time
    elseif (code == '' or answered == code) and (name == '' or name_of == name) then
      local of_campaign = name_of and campaign.of(name_of).kind
      found[#found + 1] = { id, int(since), outcome, kind or of_campaign or '', name_of or '', answered or '', words or '' }
    end
    cursor = int(since) .. ':' .. id
  end
  if #gone > 0 then redis.call('ZREM', dead, unpack(gone)) end
  if following then found[1] = cursor end
  return found
end

local accounts, entered = {}, {}

local function account_of(name)
  if accounts[name] == nil then accounts[name] = load_account(name, now, current_epoch()) or false end
  return accounts[name]
end

-- An account of the same name that was added later has no trace.
local function is_of_account(o)
  local a = account_of(o.account)
  return a and tonumber(redis.call('HGET', key.about(a.name), 'added_at') or 0) <= tonumber(o.accepted_at)
end

local function objection(o, before)
  if not o then return { 'unknown operation', '' } end
  if not is_dead_letter(o.state, o.outcome) then return { 'no dead letter', o.state == 'd' and o.outcome or o.state } end
  if before and tonumber(o.settled_at) >= before then return { 'died again', '' } end
  if not is_of_account(o) then return { 'account removed', o.account } end
  if o.campaign and campaign.of(o.campaign).hold == 'cancelled' then return { 'cancelled', o.campaign } end
  return nil
end

-- Whether one of its calls took effect although it was rejected in the end: that call is not made again.
local function took_effect(o)
  local readable, result = pcall(cjson.decode, o.result)
  return readable and type(result) == 'table' and (tonumber(result.calls) or 0) > (tonumber(result.refused) or 0)
end

-- It waits again, as if it came now: at the tail, with all its attempts. What stays: its story; what calls that took effect brought
-- (`rs`), and that one may have (`uk`); that others follow it (`fo`), for those whose turn has not come yet. `ph` and `lk` went
-- with the outcome; `ul` without them means nothing.
local function wait_again(o, valid_until, validity, retention)
  local outcome = o.outcome
  story.tell(o, tonumber(o.settled_at), outcome, redis.call('HGET', o.key, field.o.code) or '', o.words)
  story.tell(o, now, 'replayed')
  redis.call('ZREM', letters(o.account), o.id)
  count(o, outcome, -1)
  if o.campaign then campaign.reopen(o.account, o.campaign) end
  if outcome == 'rejected' and o.result and not took_effect(o) then redis.call('HDEL', o.key, field.o.result) end
  claim(o, o.handle, retention)  -- a group that it made is still its own
  redis.call('HDEL', o.key, field.o.outcome, field.o.settled_at, field.o.code, field.o.handle, field.o.attempts, field.o.lost_workers)
  redis.call('HSET', o.key, field.o.state, 'w')
  if o.was_unknown then redis.call('HSET', o.key, field.o.was_unknown, '0') end
  if valid_until ~= '' then
    redis.call('HSET', o.key, field.o.valid_until, valid_until)
  elseif o.valid_until and tonumber(o.valid_until) <= now then
    redis.call('HSET', o.key, field.o.valid_until, int(now + validity))
  end
  redis.call('PERSIST', o.key)
  lanes.enter(o, false, now)
  entered[o.lane] = o
end

local function replay(valid_until, validity, retention, before, only_asks, first_id)
  if valid_until ~= '' and tonumber(valid_until) <= now then return 'past' end
  local done = {}
  for i = first_id, #ARGV do
    local o = load_operation(ARGV[i])
    local why = objection(o, before)
    if not why and not only_asks then wait_again(o, valid_until, validity, retention) end
    done[#done + 1] = why or { 'replayed', '' }
  end
  if only_asks then return done end
  local touched = {}
  for _, o in pairs(entered) do
    lanes.refresh(o.account, o.sender, now)
    touched[o.account] = true
  end
  for name in pairs(touched) do reschedule(account_of(name), now) end
  return done
end

if verb == 'begin' then return begin(ARGV[2], ARGV[3]) end
if verb == 'heads' then return heads(ARGV[2], ARGV[3], 4) end
if verb == 'page' then return page(ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6], ARGV[7]) end
return replay(ARGV[2], tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5]), ARGV[6] == '1', 7)
