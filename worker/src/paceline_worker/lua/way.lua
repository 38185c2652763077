-- Write down how long the way from a grant to its call takes: of state with several shards, on each of them.
--
-- KEYS  1 root
-- ARGV  1 hop, 2 lead (us)
-- reply 'done'
-- keys  meta
--@include keys.lua
redis.call('HSET', key.meta, 'hop', ARGV[1], 'lead', ARGV[2])
return 'done'
