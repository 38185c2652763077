-- Read over how many shards state is spread, and which accounts live on another shard than the proposed one (shards/layout.py).
--
-- KEYS  1 root of shard 0
-- ARGV  1 verb
-- reply read:   flat: `shards`, `version`, `=<account>` with its shard, `~<account>` of one that is being moved, with the shard on which it
--               shall live; empty when state has one shard
--       leases: flat: shards and who grants for each (heartbeat.lua)
-- keys  directory, leases, read only
--@include keys.lua
return redis.call('HGETALL', root .. (ARGV[1] == 'leases' and ':leases' or ':directory'))
