-- The first question on each new connection: is this the server process that we knew? No connection outlives it.
--
-- KEYS  1 root
-- reply '1' when a restart was just noticed, else '0'
-- keys  meta
--@include shared/meta.lua
local _, restarted = checked_epoch(true)
return restarted
