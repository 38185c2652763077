-- Read the settings of a page of accounts, and change nothing.
--
-- KEYS  1 root
-- ARGV  1 '1' when their encrypted keys are read too, 2 ... names
-- reply of each name { rate, pacing, variation (us), senders, budgets, reserve, learn, encrypted key, key version }, in this order;
--       an empty list for an unknown account
-- keys  a:<acct>, about:<acct>, secret:<acct>. Cost: O(names)
--@include keys.lua
local replies = {}
for i = 2, #ARGV do
  local k, found = key.account(ARGV[i]), {}
  if redis.call('EXISTS', k) == 1 then
    local about = redis.call('HMGET', key.about(ARGV[i]), 'rate', 'pacing', 'senders')
    local pace = redis.call('HMGET', k, 'variation', 'budgets', 'reserve', 'learn')
    found = { about[1], about[2], pace[1], about[3], pace[2], pace[3], pace[4] }
    if ARGV[1] == '1' then
      found[8], found[9] = redis.call('HGET', key.secret(ARGV[i]), 'key'), redis.call('HGET', k, 'key_version')
    end
  end
  replies[#replies + 1] = found
end
return replies
