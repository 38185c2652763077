-- Let one operation never begin: from here on no worker makes its call.
--
-- KEYS  1 root
-- ARGV  1 id, 2 why
-- reply 'cancelled' | 'unknown' | else why it is too late
-- keys  o:<id>, c:<name> (read), timers
-- The mark `cn` is read by every grant and begin. Its outcome follows when a dispatcher attends to it (grant.lua): it takes the
-- operation out of where it waits, in an index of its own that old workers pass over. Replayable.
--@include keys.lua
local id, why = ARGV[1], ARGV[2]
local o = fields(key.operation(id), { field.o.state, field.o.outcome, field.o.look_up, field.o.result, field.o.cancelled_because, field.o.was_unknown })
if not o.state then return 'unknown' end
if o.state == 'd' then return o.outcome == 'cancelled' and 'cancelled' or 'its outcome is ' .. o.outcome end
if o.state == 's' then return 'its call is under way' end
if o.look_up then return 'its call has an unknown outcome, which is looked up' end
if o.was_unknown == '1' then return 'one of its calls may have taken effect, and it is sent again' end
if o.result then return 'one of its calls has taken effect' end
if not o.cancelled_because then redis.call('HSET', key.operation(id), field.o.cancelled_because, why) end
redis.call('ZADD', key.timers, 'LT', int(server_time()), CANCELLED .. id)
return 'cancelled'
