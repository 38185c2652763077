-- Read inbox records: a worker seals what is in them, and hands them to accept.lua.
--
-- KEYS  1 root
-- ARGV  record ids
-- reply per record: account, campaign, number of operations, body; '' four times where there is none
-- keys  in:<rid> (read)
--@include keys.lua
local reply = {}
for _, rid in ipairs(ARGV) do
  -- A producer may have made anything of that key; what is no hash is no record.
  local held = redis.pcall('HMGET', key.record(rid), 'account', 'campaign', 'count', 'body')
  for i = 1, 4 do reply[#reply + 1] = held[i] or '' end
end
return reply
