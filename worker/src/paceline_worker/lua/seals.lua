-- The key of all seals, and the seals of what was accepted before there was one.
--
-- KEYS  1 root
-- ARGV  1 verb, then
--         look, key: nothing
--         publish:   2 the public key to which producers seal payloads
--         make:      2 the key, encrypted: unless there is one
--         swap:      2 the encrypted key that is there, 3 the one to put in its place
--         page:      2 cursor ('0' first)
--         campaigns: nothing
--         seal:      then id, seal per operation
--         campaign:  2 name, 3 seal
-- reply look: { encrypted key or '', '1' when an operation was ever accepted }; key: the first of them
--       publish: the public key that was there before, or ''
--       make: the encrypted key that is there now; swap: 1, or 0 when another one is there
--       page: { next cursor ('0' after the last page), then { id, account, sender, own kind or '', target, payload, what it follows or '',
--             campaign or '' } of each operation without a seal that may be sent }
--       campaigns: { name, account, kind, template } of each that has begun and has no seal
--       seal, campaign: how many were written
-- keys  seals, public, accounts, a:<acct>:n, o:<id>, campaigns, c:<name>
--@include keys.lua
local verb = ARGV[1]
local PAGE = 500
local SENT_AGAIN = { rejected = true, dead = true, held = true }

local function some_were_written()
  for _, name in ipairs(redis.call('SMEMBERS', key.accounts)) do
    if tonumber(redis.call('HGET', key.account(name) .. ':n', 'written') or 0) > 0 then return '1' end
  end
  return '0'
end

local function lacks_seal(k)
  if redis.call('TYPE', k).ok ~= 'hash' then return nil end
  local o = fields(k, { field.o.state, field.o.outcome, field.o.account, field.o.sender, field.o.kind, 'to', field.o.payload, field.o.follows, field.o.campaign, field.o.seal })
  if not o.state or o.seal or not o.payload or (o.state == 'd' and not SENT_AGAIN[o.outcome]) then return nil end
  local common = o.campaign and fields(key.campaign(o.campaign), { field.c.account, field.c.sender }) or {}
  local id = string.sub(k, #key.operation('') + 1)
  return { id, o.account or common.account or '', o.sender or common.sender or '', o.kind or '', o.to or '', o.payload, o.follows or '', o.campaign or '' }
end

if verb == 'look' then return { redis.call('HGET', key.seals, 'key') or '', some_were_written() } end
if verb == 'key' then return redis.call('HGET', key.seals, 'key') or '' end
if verb == 'publish' then
  local before = redis.call('GET', key.public) or ''
  if before ~= ARGV[2] then redis.call('SET', key.public, ARGV[2]) end
  return before
end
if verb == 'make' then
  redis.call('HSETNX', key.seals, 'key', ARGV[2])
  return redis.call('HGET', key.seals, 'key')
end
if verb == 'swap' then
  if redis.call('HGET', key.seals, 'key') ~= ARGV[2] then return 0 end
  redis.call('HSET', key.seals, 'key', ARGV[3])
  return 1
end
if verb == 'page' then
  local page = redis.call('SCAN', ARGV[2], 'MATCH', key.operation('*'), 'COUNT', PAGE)
  local found = { page[1] }
  for _, k in ipairs(page[2]) do found[#found + 1] = lacks_seal(k) end
  return found
end
if verb == 'campaigns' then
  local found = {}
  for _, name in ipairs(redis.call('SMEMBERS', key.campaigns)) do
    local c = fields(key.campaign(name), { field.c.account, field.c.kind, field.c.template, 'fresh', field.c.seal })
    if c.account and not c.fresh and not c.seal then found[#found + 1] = { name, c.account, c.kind or '', c.template or '' } end
  end
  return found
end
if verb == 'campaign' then return redis.call('HSET', key.campaign(ARGV[2]), field.c.seal, ARGV[3]) end
local written = 0
for i = 2, #ARGV, 2 do
  local k = key.operation(ARGV[i])
  if redis.call('EXISTS', k) == 1 then written = written + redis.call('HSETNX', k, field.o.seal, ARGV[i + 1]) end
end
return written
