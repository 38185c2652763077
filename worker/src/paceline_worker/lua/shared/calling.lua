--@include keys.lua
-- Whether an operation of the account is in flight: each of its senders has one at the most.
local function is_calling(account)
  for _, sender in ipairs(redis.call('SMEMBERS', key.account(account) .. ':ln')) do
    if redis.call('HEXISTS', key.lane(account, sender), field.l.in_flight) == 1 then return true end
  end
  return false
end
