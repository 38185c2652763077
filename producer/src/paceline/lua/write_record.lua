-- Write one inbox record: from here on its operations cannot be lost.
--
-- KEYS  1 root
-- ARGV  1 record id, 2 account, 3 sender, 4 number of operations, 5 record (JSON), 6 campaign name or '',
--       7 id of an operation with an idempotency key, or '', 8 what its content is told by
-- reply 'written' | 'unknown account' | 'unknown sender' | 'unknown campaign' | 'cancelled campaign' | 'other content' (the key belongs to another one)
-- keys  in:<rid>, inbox, a:<acct>:in, a:<acct>:c:in, a:<acct>, o:<id> (read), a:<acct>:n, a:<acct>:c, c:<name>, c:<name>:out
-- Idempotent by record id while the record waits: a lost reply may be replayed.
--@include keys.lua
local rid, account, sender, count, record, campaign = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]

local known = redis.call('HMGET', key.about(account), 'name', 'senders')
if not known[1] then return 'unknown account' end
if known[2] and known[2] ~= '' and not string.find(' ' .. known[2] .. ' ', ' ' .. sender .. ' ', 1, true) then
  return 'unknown sender'
end
-- An operation that still waits in the inbox is compared when its record is accepted (accept.lua).
if (ARGV[7] or '') ~= '' then
  local digest = redis.call('HGET', key.operation(ARGV[7]), field.o.content_digest)
  -- A keyed one (k) says nothing beside one from a producer that does not encrypt: accept.lua compares two keyed ones.
  if digest and string.byte(digest) ~= 107 and digest ~= ARGV[8] then return 'other content' end
end
if campaign ~= '' then
  local known = fields(key.campaign(campaign), { field.c.account, 'hold', 'completed_at' })
  if not known.account then return 'unknown campaign' end
  if known.hold == 'cancelled' then return 'cancelled campaign' end
  if known.completed_at then  -- another upload ended meanwhile
    redis.call('HDEL', key.campaign(campaign), 'completed_at')
    redis.call('PERSIST', key.campaign(campaign) .. ':out')
    redis.call('SADD', key.account(account) .. ':c', campaign)
  end
end

-- A place in an index: now, or behind the last one, when the clock was set back since that was written. A producer's user has no command
-- that reads from the end, so the last one is looked for in steps that double.
local function behind_all(index, now)
  local function place(nth) return redis.call('ZRANGEBYSCORE', index, '(' .. now, '+inf', 'WITHSCORES', 'LIMIT', nth, 1)[2] end
  local last, nth, step = place(0), 0, 1
  if not last then return now end
  while step > 0 do
    local further = place(nth + step)
    if further then
      last, nth, step = further, nth + step, 2 * step
    else
      step = math.floor(step / 2)
    end
  end
  return int(tonumber(last) + 1)
end

if redis.call('EXISTS', key.record(rid)) == 0 then
  redis.call('HSET', key.record(rid), 'account', account, 'campaign', campaign, 'count', count, 'body', record)
  local now = int(server_time())
  redis.call('ZADD', key.inbox, now, rid)
  redis.call('ZADD', key.records(account, campaign), behind_all(key.records(account, campaign), now), rid)
  redis.call('HINCRBY', key.account(account) .. ':n', 'received', count)
  redis.call('HINCRBY', key.account(account) .. ':n', 'inbox', count)
  if campaign ~= '' then
    redis.call('HINCRBY', key.campaign(campaign), 'received', count)
    redis.call('HINCRBY', key.campaign(campaign), 'inbox', count)
  end
end
return 'written'
