-- Add, change, suspend, resume and remove accounts.
--
-- KEYS  1 root
-- ARGV  1 verb, 2 account, then
--         add:     3 'read' (/info was), 'first' (nothing is sent before it is read, or a minute has passed) or '',
--                  4 digests of its key, the one to keep first, then field, value ... of a:<acct> (interval, quotas, variation, rate, pacing, senders, budgets, key, key_version ...)
--         limits:  3 the basis that the rest was computed from, then field, value ... to change; the bucket keeps its time
--         suspend: 3 reason, 4 version of the key that was refused ('' or missing: whatever its key is)
--         rotate:  3 version of the key that is there, 4 encrypted key, 5 its version, 6 '1' when it is another key, not the same one
--                  encrypted again, 7 its digests, the one to keep first
--         whose:   2 digests: nothing is changed
--         digest:  3 version of its key, 4 its digests, the one to keep first; '' when the key cannot be read
--         no digest: nothing; of a page of accounts that were added before there were digests
--         resume, remove, key, known: nothing
--         keys: 2 ... accounts
--         floor:   3 the version of its key, sealed
--         info:    what /info said: 3 the basis that the rest was computed from, 4 how soon to read again (us), 5 how long after
--                  its last slot the account is within its new limit whatever it sent before (us), 6 '1' when it may send (paid for),
--                  then field, value ... to change
--         info later: it was not asked for in time; info failed: its answer told no figures
--         throttled: /info was answered 429: 3 pause (us)
-- reply whose: the account that has this key, or ''; no digest: { name, encrypted key, version } of some;
--       add, rotate, digest: 'taken:<account>' when another account has this key
--       key: { encrypted key, key version }; keys: of each account encrypted key, its version, the highest it had as that was sealed ('' when unknown); known: { rate, told, info_every, interval, pacing, variation, learn, budgets, basis }; info: 'done' |
--       'slower' | 'changed' (the basis, meanwhile); limits: 'changed' likewise; suspend, rotate: 'changed' when its key is another one meanwhile;
--       else 'done' | 'exists' | 'unknown account' | 'not empty'
-- keys  accounts, keys, a:<acct> and its sets, lanes, due
--@include shared/calling.lua
--@include shared/moves.lua
--@include shared/account_fields.lua
local INFO_SOON, FIRST_INFO = 1000000, 60000000
-- However often it is to be read, /info takes at most one slot of so many.
local INFO_SHARE = 20
-- What a worker says of a key that it cannot decrypt (secrets.py): encrypted again, it can.
local UNREADABLE = 'cannot be decrypted'
local DIGEST_PAGE = 200
local verb, name = ARGV[1], ARGV[2]

-- For how long it remembers whom it wrote to: as long as its recipient cap counts, or as was asked for.
local function set_memory(k)
  local period = string.match(redis.call('HGET', k, field.a.recipient_limit) or '', ':(%d+)')
  local us = math.max(tonumber(period or 0), tonumber(redis.call('HGET', key.about(name), 'keeps') or 0))
  if us > 0 then return redis.call('HSET', k, 'remember', int(us)) end
  redis.call('HDEL', k, 'remember', 'noted')
  redis.call('UNLINK', key.contacts(name), key.contacts(name) .. ':old')
end

if verb == 'keys' then
  local keys = {}
  for i = 2, #ARGV do
    keys[#keys + 1] = redis.call('HGET', key.secret(ARGV[i]), 'key') or ''
    keys[#keys + 1] = redis.call('HGET', key.account(ARGV[i]), 'key_version') or ''
    keys[#keys + 1] = redis.call('HGET', key.seals, 'k:' .. ARGV[i]) or ''
  end
  return keys
end

-- Which account has the key of these digests, or nil.
local function holder(digests)
  for digest in string.gmatch(digests or '', '%S+') do
    local found = redis.call('HGET', key.keys, digest)
    if found then return found end
  end
  return nil
end

local function forget_digest(account)
  redis.call('HDEL', key.keys, redis.call('HGET', key.secret(account), 'digest') or '-', '?' .. account)
end

local function keep_digest(account, digests)
  local digest = string.match(digests or '', '^%S+')
  if not digest then return end
  forget_digest(account)
  redis.call('HSET', key.keys, digest, account)
  redis.call('HSET', key.secret(account), 'digest', digest)
end

if verb == 'whose' then return holder(ARGV[2]) or '' end
if verb == 'no digest' then
  local page = {}
  if redis.call('HLEN', key.keys) >= redis.call('SCARD', key.accounts) then return page end
  for _, account in ipairs(redis.call('SMEMBERS', key.accounts)) do
    local stored = redis.call('HMGET', key.secret(account), 'digest', 'key')
    if stored[2] and not stored[1] and redis.call('HEXISTS', key.keys, '?' .. account) == 0 then
      page[#page + 1], page[#page + 2] = account, stored[2]
      page[#page + 1] = redis.call('HGET', key.account(account), 'key_version') or '0'
    end
    if #page >= 3 * DIGEST_PAGE then break end
  end
  return page
end

local k = key.account(name)
local now = server_time()
local known = redis.call('EXISTS', k) == 1

if verb == 'add' and known then return 'exists' end
if verb ~= 'add' and not known then return 'unknown account' end

-- Whoever encrypts again the key that an account has had from before there were digests may go on sharing it.
local gets_a_key = verb == 'add' or (verb == 'rotate' and ARGV[6] == '1')
if gets_a_key or verb == 'digest' then
  local other = holder(ARGV[verb == 'rotate' and 7 or 4])
  if other and other ~= name then
    if verb == 'digest' then redis.call('HSET', key.keys, '?' .. name, name) end
    return 'taken:' .. other
  end
end
if verb == 'digest' then
  if redis.call('HGET', k, 'key_version') ~= ARGV[3] then return 'changed' end
  if ARGV[4] == '' then redis.call('HSET', key.keys, '?' .. name, name) else keep_digest(name, ARGV[4]) end
  return 'done'
end
if verb == 'floor' then
  redis.call('HSET', key.seals, 'k:' .. name, ARGV[3])
  return 'done'
end
if verb == 'key' then return { redis.call('HGET', key.secret(name), 'key'), redis.call('HGET', k, 'key_version') } end
-- What limits and budgets are computed from. Whoever read another basis writes nothing: somebody else wrote meanwhile.
local function basis()
  local read = redis.call('HMGET', key.about(name), 'rate', 'told', 'pacing')
  for _, value in ipairs(redis.call('HMGET', k, 'variation', 'learn', 'budgets')) do read[#read + 1] = value end
  for i, value in ipairs(read) do read[i] = value or '' end
  return table.concat(read, '\n')
end
if verb == 'known' then
  local about, pace = redis.call('HMGET', key.about(name), 'rate', 'told', 'pacing'), redis.call('HMGET', k, 'info_every', 'interval', 'variation', 'learn', 'budgets')
  return { about[1], about[2], pace[1], pace[2], about[3], pace[3], pace[4], pace[5], basis() }
end
if verb == 'limits' and ARGV[3] ~= basis() then return 'changed' end
local reply = 'done'
-- A call for figures that took longer than J may have arrived that late, as any call.
local function keep_distance(a)
  if not a.info_slot then return end
  bucket.push(a, tonumber(a.info_slot), now - tonumber(a.info_slot))
  bucket.save(a)
end

if verb == 'info' then
  local before = load_account(name, now, current_epoch())
  keep_distance(before)
  if ARGV[3] ~= basis() then return 'changed' end
  local suspended = redis.call('HGET', k, 'suspended')
  for i = 7, #ARGV, 2 do write_account(name, ARGV[i], ARGV[i + 1]) end
  local base = tonumber(redis.call('HGET', k, 'interval'))
  redis.call('HSET', k, 'info_at', int(now + math.max(tonumber(ARGV[4]), INFO_SHARE * base)))
  write_account(name, 'info_read_at', int(now))
  redis.call('HDEL', k, 'recheck', 'info_slot')
  if base > before.base then
    -- What was sent at the old distance counts at the provider for one more window; and the 429s have found their reason.
    local last = before.next - before.base
    redis.call('HDEL', k, 'slow', 'slow_at')
    redis.call('HSET', k, 'next', int(math.max(before.next, last + base, last + tonumber(ARGV[5]))), 'epoch', before.epoch, 'last', '0')
    reply = 'slower'
  end
  if suspended and string.sub(suspended, 1, 6) == 'unpaid' and ARGV[6] == '1' then
    redis.call('HDEL', k, 'suspended', 'suspended_at')
  end
elseif verb == 'info later' then
  local a = load_account(name, now, current_epoch())
  if a.info_slot then bucket.give_back(a, tonumber(a.info_slot)) end
  bucket.save(a)
  redis.call('HDEL', k, 'info_slot')
  redis.call('HSET', k, 'info_at', int(now + INFO_SOON))
elseif verb == 'info failed' then
  keep_distance(load_account(name, now, current_epoch()))
elseif verb == 'throttled' then
  local a = load_account(name, now, current_epoch())
  if a.paused_until <= now then throttling.incident(a, now) end
  local until_then = math.max(a.paused_until, now + tonumber(ARGV[3]))
  throttling.want_probe(a)
  redis.call('HSET', k, 'paused_until', int(until_then), 'info_at', int(until_then))
end
if verb == 'add' or verb == 'limits' then
  for i = verb == 'add' and 5 or 4, #ARGV, 2 do
    write_account(name, ARGV[i], ARGV[i + 1])
    if ARGV[i] == field.a.recipient_limit or ARGV[i] == 'keeps' then set_memory(k) end
  end
  if verb == 'add' then
    keep_digest(name, ARGV[4])
    local info_at = ARGV[3] == 'read' and now + tonumber(redis.call('HGET', k, 'info_every') or 0) or now
    redis.call('HSET', key.about(name), 'name', name, 'added_at', int(now))
    if ARGV[3] == 'read' then write_account(name, 'info_read_at', int(now)) end
    if info_at > now or redis.call('HEXISTS', k, 'info_every') == 1 then redis.call('HSET', k, 'info_at', int(info_at)) end
    -- Whoever was on the list of an account of this name still is.
    if redis.call('EXISTS', key.suppressed(name)) == 1 then redis.call('HSET', k, field.a.listed, '1') end
    if ARGV[3] == 'first' then redis.call('HSET', k, 'recheck', int(now + FIRST_INFO)) end
    -- What is written from here on is of this form; state that was there before has said so, or is migrated first.
    if redis.call('SADD', key.accounts, name) == 1 and redis.call('SCARD', key.accounts) == 1 then redis.call('HSET', key.meta, 'schema', SCHEMA) end
  end
elseif verb == 'rotate' then
  local version, suspended = unpack(redis.call('HMGET', k, 'key_version', 'suspended'))
  if version ~= ARGV[3] then return 'changed' end
  write_account(name, 'key', ARGV[4])
  write_account(name, 'key_version', ARGV[5])
  if gets_a_key or not holder(ARGV[7]) or holder(ARGV[7]) == name then keep_digest(name, ARGV[7]) end
  local another = ARGV[6] == '1'
  if another then
    -- Whether it works may just have been asked: that call has the place of one slot, behind those that were granted ahead and are
    -- begun with the new key, too.
    local a = load_account(name, now, current_epoch())
    bucket.push(a, math.max(now, a.next), a.variation + 1)
    bucket.save(a)
    if a.info_every > 0 then redis.call('HSET', k, 'info_at', int(now)) end
  end
  if suspended and string.sub(suspended, 1, 7) == 'bad_key' and (another or string.find(suspended, UNREADABLE, 1, true)) then
    redis.call('HDEL', k, 'suspended', 'suspended_at')
  end
elseif verb == 'suspend' then
  if (ARGV[4] or '') ~= '' and redis.call('HGET', k, 'key_version') ~= ARGV[4] then return 'changed' end
  redis.call('HSET', k, 'suspended', ARGV[3], 'suspended_at', int(now))
elseif verb == 'resume' then
  redis.call('HDEL', k, 'suspended', 'suspended_at', 'paused_until', 'throttled', 'probe', 'recheck', 'breaker', 'opened', 'ramp',
    'ramp_left', 'bad_run', 'bad_window')
elseif verb == 'remove' then
  local n = redis.call('HGET', k .. ':n', 'inbox') or '0'
  if n ~= '0' or redis.call('EXISTS', k .. ':tm', k .. ':held') > 0 or is_calling(name) then return 'not empty' end
  local senders = redis.call('SMEMBERS', k .. ':ln')
  for _, sender in ipairs(senders) do
    local lane = key.lane(name, sender)
    if redis.call('EXISTS', lane .. ':t', key.bulk(lane, '-'), lane .. ':h') > 0 then return 'not empty' end
  end
  for _, open in ipairs(redis.call('SMEMBERS', k .. ':c')) do
    if redis.call('EXISTS', key.campaign(open) .. ':tm') > 0 then return 'not empty' end
    for _, sender in ipairs(campaign.senders(open)) do
      if campaign.has_work(key.lane(name, sender), open) then return 'not empty' end
    end
  end
  forget_digest(name)
  for _, sender in ipairs(senders) do redis.call('DEL', key.lane(name, sender), key.lane(name, sender) .. ':w') end
  for _, quota in ipairs(slots.quotas(redis.call('HGET', k, 'quotas'))) do
    redis.call('DEL', slots.log(k, quota))
  end
  redis.call('DEL', k, k .. ':n', k .. ':ln', key.records(name, ''), key.records(name, '?'), k .. ':r', key.about(name), key.pools(name), key.secret(name), key.hook(name), key.contacts(name), key.contacts(name) .. ':old', k .. ':sp', k .. ':c', k .. ':dead', k .. ':rc', k .. ':er')
  redis.call('HDEL', key.receipts, 'sent|' .. name, 'not_sent|' .. name, 'received|' .. name, 'read|' .. name)
  redis.call('SREM', key.accounts, name)
  redis.call('HDEL', key.seals, 'k:' .. name)
  redis.call('ZREM', key.due, name)
  redis.call('ZREM', key.timers, name)
  return 'done'
end
reschedule(load_account(name, now, current_epoch()), now)
return reply
