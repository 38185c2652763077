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
local o = fields(key.operation(id), { 's', 'oc', 'ph', 'rs', 'cn' })
if not o.s then return 'unknown' end
if o.s == 'd' then return o.oc == 'cancelled' and 'cancelled' or 'its outcome is ' .. o.oc end
if o.s == 's' then return 'its call is under way' end
if o.ph then return 'its call has an unknown outcome, which is looked up' end
if o.rs then return 'one of its calls has taken effect' end
if not o.cn then redis.call('HSET', key.operation(id), 'cn', why) end
redis.call('ZADD', key.timers, 'LT', int(server_time()), CANCELLED .. id)
return 'cancelled'
