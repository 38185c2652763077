-- Receipts of an account's messages, and the digest of the token in the address that they come to.
--
-- KEYS  1 root
-- ARGV  1 verb, then
--         take:   2 account, 3 digest of the token they came with, then uuid, status ('sent' | 'not_sent' | 'received' | 'read'), when
--                 (us; '' not told) per receipt
--         wrote:  2 account, 3 digest, 4 'out' | 'in', 5 the word, 6 when (us; '' not told), 7 ... the number that wrote it, in all its forms
--         digest: 2 account
--         open:   2 account, 3 digest of the new token, 4 digest of the replaced token ('' none), 5 '1' when a person
--                 was shown it
--         close:  2 account
--         show:   2 account
--         caught up: nothing more
-- reply take:   per receipt 'moved' | 'known' | 'early' (kept for its message) | 'unknown' (of no message of this account);
--               or 'forbidden', and nothing was taken
--       wrote:  'opted_out' | 'opted_in' | 'known' (nothing changed) | 'forbidden'
--       digest: the digest, '' when there is none
--       open:   'done' | 'changed' (another one was there) | 'unknown account'
--       close:  'done' | 'none' | 'unknown account'
--       show:   { digest, since when (us), '1' shown, receipts kept for their messages, messages sent, not sent, received, read } or
--               'unknown account'
--       caught up: { '<status>|<account>', how many ... }, each told once: moved when their messages were settled
-- keys  a:<acct>, a:<acct>:rc, a:<acct>:er, receipts, u:<uuid> (read), o:<id>, c:<name>, sup:<acct>, supwhy:<acct>, timers
-- Cost: a constant number of commands per receipt, whatever waits. Replayable: what was told once changes nothing the second time.
--@include keys.lua
--@include shared/receipt.lua
--@include listed.lua
local verb, account = ARGV[1], ARGV[2]
local now = server_time()

if verb == 'caught up' then
  local found = redis.call('HGETALL', key.receipts)
  if #found > 0 then redis.call('DEL', key.receipts) end
  return found
end

local k = key.account(account)
local digest = redis.call('HGET', key.hook(account), 'hook') or ''

local function take(uuid, status, at)
  local id = redis.call('GET', key.claim(uuid))
  if id then return receipt.note(account, id, status, at, now) end
  if not receipt.may_be_early(account) then return 'unknown' end
  receipt.keep(account, uuid, status, now)
  return 'early'
end

-- A word that puts a number on the account's list, or takes it off: unless the number was put there after the word was written.
local function wrote(change, word, at, numbers)
  local changed, edge
  if change == 'out' then
    changed, edge = listed.add(account, at, 'wrote ' .. word, numbers, #numbers)
  else
    changed, edge = listed.remove(account, numbers, #numbers, at)
  end
  -- A receiver may not write the account: the next grant notes that its list began or ended.
  if edge then redis.call('ZADD', key.timers, 'LT', int(now), LISTED .. account) end
  return changed > 0 and 'opted_' .. change or 'known'
end

if verb == 'wrote' then
  if digest == '' or digest ~= ARGV[3] then return 'forbidden' end
  local numbers = {}
  for i = 7, #ARGV do numbers[#numbers + 1] = ARGV[i] end
  return wrote(ARGV[4], ARGV[5], math.min(tonumber(ARGV[6]) or now, now), numbers)
end
if verb == 'digest' then
  return digest
elseif verb == 'take' then
  if digest == '' or digest ~= ARGV[3] then return 'forbidden' end
  local done = {}
  for i = 4, #ARGV, 3 do done[#done + 1] = take(ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 2])) end
  return done
end
if redis.call('EXISTS', k) == 0 then return 'unknown account' end
if verb == 'open' then
  if digest ~= ARGV[4] then return 'changed' end
  redis.call('HSET', key.hook(account), 'hook', ARGV[3])
  redis.call('HSET', key.about(account), 'hook_at', int(now), 'hook_shown', ARGV[5])
  return 'done'
elseif verb == 'close' then
  redis.call('HDEL', key.hook(account), 'hook')
  redis.call('HDEL', key.about(account), 'hook_at', 'hook_shown')
  return digest ~= '' and 'done' or 'none'
end
local since, shown = unpack(redis.call('HMGET', key.about(account), 'hook_at', 'hook_shown'))
local counts = redis.call('HMGET', k .. ':rc', unpack(receipt.STATUSES))
for i = 1, #counts do counts[i] = counts[i] or '0' end
return { digest, since or '', shown or '', redis.call('ZCOUNT', k .. ':er', '(' .. int(now - EARLY), '+inf'), unpack(counts) }
