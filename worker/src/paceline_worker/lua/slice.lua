-- Take many messages out of a queue of the broker at once.
--
-- KEYS  1 the list, as kombu names it
-- ARGV  1 most messages, 2 most bytes in all, 3 the largest message
-- reply the messages, oldest first; '' in place of each that is larger than the largest
-- keys  none of the state server's: the broker may be another one
local most, room, largest = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local messages = {}
while #messages < most and room > 0 do
  local message = redis.call('RPOP', KEYS[1])
  if not message then break end
  if #message > largest then message = '' end
  messages[#messages + 1] = message
  room = room - #message
end
return messages
