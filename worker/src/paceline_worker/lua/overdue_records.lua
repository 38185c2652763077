-- Inbox records that nobody accepted in time: their hint was lost.
--
-- KEYS  1 root
-- ARGV  1 grace (us), 2 most records
-- reply record ids, oldest first
-- keys  inbox (read)
--@include keys.lua
return redis.call('ZRANGEBYSCORE', key.inbox, '-inf', int(server_time() - tonumber(ARGV[1])), 'LIMIT', 0, tonumber(ARGV[2]))
