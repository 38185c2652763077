-- Take slots of an account's bucket without an operation: for the `limits` strategy and for calls outside the lanes.
--
-- KEYS  1 root
-- ARGV  1 account, 2 cost (slots), 3 horizon: how far ahead the first slot may lie (us), 4 'take' | 'test'
-- reply { '1' taken or takable | '0' not, server time, slot (the first one, or the earliest possible) (us) }
-- reply 'unknown account'
-- keys  a:<acct>, its quota logs, its lanes (read), due
-- The same bucket as the workers': a pause or suspension of the account refuses here too.
--@include shared/calling.lua
--@include shared/account.lua
local cost, horizon, verb = tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
if not cost or cost < 1 or cost > 1000 then return redis.error_reply('cost must be between 1 and 1000') end
local now = server_time()
local a = load_account(ARGV[1], now, (checked_epoch(true)))
if not a then return 'unknown account' end

-- With no operation left to go first, the call about to be made is the probe.
if a.probe == 'due' and now >= a.paused_until and not (redis.call('EXISTS', a.key .. ':r') == 1 or is_calling(a.name)) then
  throttling.set_probe(a, '')
end
local first = slots.next(a, math.max(now, a.paused_until, breaker_awake and breaker.others_from() or 0))
local free = first <= now + horizon and not a.suspended and not (a.probe and a.probe ~= '')
if free and verb == 'take' then
  local slot = first
  for i = 1, cost do
    if i > 1 then slot = slots.next(a, slot) end
    bucket.take(a, slot)
  end
end
reschedule(a, now)
return { free and '1' or '0', int(now), int(first) }
