-- The public key to which producers seal what only workers may read.
--
-- KEYS  1 root
-- ARGV  none
-- reply the key, or '' when no worker encrypts payloads
-- keys  public
--@include keys.lua
return redis.call('GET', key.public) or ''
