-- Read the settings of a page of accounts, and change nothing.
--
-- KEYS  1 root
-- ARGV  1 '1' when their encrypted keys are read too, 2 ... names
-- reply of each name { rate, pacing, variation (us), senders, budgets, reserve, encrypted key, key version }, in this order;
--       an empty list of one that is unknown
-- keys  a:<acct>. Cost: O(names)
--@include keys.lua
local replies = {}
for i = 2, #ARGV do
  local k, found = key.account(ARGV[i]), {}
  if redis.call('EXISTS', k) == 1 then
    found = redis.call('HMGET', k, 'rate', 'pacing', 'variation', 'senders', 'budgets', 'reserve')
    if ARGV[1] == '1' then
      local secret = redis.call('HMGET', k, 'key', 'key_version')
      found[7], found[8] = secret[1], secret[2]
    end
  end
  replies[#replies + 1] = found
end
return replies
