-- Distrust every bucket: the server's clock jumped. Each starts empty, so sending stops for one spacing.
--
-- KEYS  1 root
-- reply the new epoch
-- keys  meta
--@include keys.lua
return redis.call('HINCRBY', key.meta, 'epoch', 1)
