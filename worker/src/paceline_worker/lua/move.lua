-- Hand an account over to another shard: each key leaves one only when the other has it, unchanged.
--
-- KEYS  1 root
-- ARGV  1 verb, 2 account, then
--       on the shard that it leaves
--         seize: nothing           nothing finds the account from here on; must be suspended
--         page:  3 pass (1 to 4: what is handed over first), 4 cursor, 5 about how many keys to look at
--         take:  3 ... names
--         drop:  3 ... name, digest of what was taken
--       on the shard that it comes to
--         put:   3 ... name, time to live (ms; 0 none), what was taken
--         unveil: 3 cursor, 4 about how many keys to look at
--         finish: nothing          the account is found and sends from here on
--       on any
--         stands: nothing
-- reply stands: '' | 'here' | 'seized' | 'veiled'
--       seize: 'seized' | 'unknown account' | why not yet
--       page:  { next cursor ('0': that was all), names ... }
--       take:  per name { what a key holds, time to live (ms), digest }; empty when there is none
--       drop:  names of those that have changed since
--       put:   'done'     unveil: { next cursor, how many }     finish: 'done'
-- keys  whatever belongs to the account, as `<root>:<name>`; on the shard that it comes to, until it is unveiled, `<root>:moving:<acct>:<name>`
-- Replayable, each verb. Needs the commands DUMP and RESTORE.
--@include shared/calling.lua
local verb, name = ARGV[1], ARGV[2]
local k, veil = key.account(name), root .. ':moving:' .. name .. ':'
local SEIZED = 'a:' .. name
-- By these the account is found: they are veiled on the shard that it leaves, too, and unveiled together.
local FOUND_BY = { 'hook:' .. name, 'about:' .. name, SEIZED }
local is_found_by = {}
for _, tail in ipairs(FOUND_BY) do is_found_by[tail] = true end

local function source_of(tail) return is_found_by[tail] and veil .. tail or root .. ':' .. tail end

local function literal(text) return (string.gsub(text, '[%[%]*?\\]', '\\%0')) end

if verb == 'stands' then
  if redis.call('EXISTS', k) == 1 then return 'here' end
  if redis.call('EXISTS', veil .. SEIZED) == 1 then return redis.call('HEXISTS', veil .. SEIZED, 'moves_in') == 1 and 'veiled' or 'seized' end
  return ''
end

if verb == 'seize' then
  if redis.call('EXISTS', veil .. SEIZED) == 1 then return 'seized' end
  if redis.call('EXISTS', k) == 0 then return 'unknown account' end
  if redis.call('HEXISTS', k, 'suspended') == 0 then return 'it is not suspended' end
  if redis.call('EXISTS', key.records(name, ''), key.records(name, '?')) > 0 then return 'records wait in its inbox' end
  if is_calling(name) then return 'operations are in flight' end
  for _, member in ipairs(redis.call('ZRANGE', key.timers, 0, -1)) do
    local id = string.match(member, '^[>!](.*)$')
    if id then
      local o = redis.call('HMGET', key.operation(id), field.o.account, field.o.campaign)
      local account = o[1] or o[2] and redis.call('HGET', key.campaign(o[2]), field.c.account)
      if account == name then return 'operations are being cancelled or released' end
    elseif member == '=' .. name then
      return 'its suppression list is being applied'
    end
  end

  redis.call('HSET', k, 'moved_floor', redis.call('HGET', key.seals, 'k:' .. name) or '')
  for _, tail in ipairs(FOUND_BY) do
    if redis.call('EXISTS', root .. ':' .. tail) == 1 then redis.call('RENAME', root .. ':' .. tail, veil .. tail) end
  end
  redis.call('SREM', key.accounts, name)
  redis.call('ZREM', key.due, name)
  redis.call('ZREM', key.timers, name)
  redis.call('HDEL', key.keys, redis.call('HGET', key.secret(name), 'digest') or '-', '?' .. name)
  redis.call('HDEL', key.seals, 'k:' .. name)
  return 'seized'
end

local function account_of(id)
  local o = redis.call('HMGET', key.operation(id), field.o.account, field.o.campaign)
  return o[1] or o[2] and redis.call('HGET', key.campaign(o[2]), field.c.account)
end

local OWN = { a = true, l = true, about = true, pools = true, secret = true, hook = true, sup = true, supwhy = true, had = true }

-- In which pass a key is handed over, or nil: what tells whose a key is leaves after it.
local function pass_of(tail)
  local kind, rest = string.match(tail, '^([^:]+):(.+)$')
  if kind == 'f' then return account_of(rest) == name and 1 end
  if kind == 'u' then return account_of(redis.call('GET', root .. ':' .. tail) or '') == name and 1 end
  if kind == 'o' then return account_of(rest) == name and 2 end
  if kind == 'c' then
    local campaign, below = string.match(rest, '^([^:]+)(:?)')
    return redis.call('HGET', key.campaign(campaign), field.c.account) == name and (below == ':' and 3 or 4)
  end
  if OWN[kind] and (rest == name or string.sub(rest, 1, #name + 1) == name .. ':') then return 4 end
  return nil
end

if verb == 'page' then
  local found = redis.call('SCAN', ARGV[4], 'MATCH', literal(root) .. ':*', 'COUNT', ARGV[5])
  local reply = { found[1] }
  for _, found_key in ipairs(found[2]) do
    local tail = string.sub(found_key, #root + 2)
    if pass_of(tail) == tonumber(ARGV[3]) then reply[#reply + 1] = tail end
  end
  for _, tail in ipairs(found[1] == '0' and ARGV[3] == '4' and FOUND_BY or {}) do
    if redis.call('EXISTS', veil .. tail) == 1 then reply[#reply + 1] = tail end
  end
  return reply
end

if verb == 'take' then
  local taken = {}
  for i = 3, #ARGV do
    local content = redis.call('DUMP', source_of(ARGV[i]))
    taken[i - 2] = content and { content, redis.call('PTTL', source_of(ARGV[i])), redis.sha1hex(content) } or {}
  end
  return taken
end

if verb == 'drop' then
  local changed = {}
  for i = 3, #ARGV, 2 do
    local content = redis.call('DUMP', source_of(ARGV[i]))
    if content and redis.sha1hex(content) ~= ARGV[i + 1] then
      changed[#changed + 1] = ARGV[i]
    elseif content then
      redis.call('UNLINK', source_of(ARGV[i]))
      local campaign = string.match(ARGV[i], '^c:([^:]+)$')
      if campaign then redis.call('SREM', key.campaigns, campaign) end
    end
  end
  return changed
end

if verb == 'put' then
  for i = 3, #ARGV, 3 do
    redis.call('RESTORE', veil .. ARGV[i], math.max(0, tonumber(ARGV[i + 1])), ARGV[i + 2], 'REPLACE')
    if ARGV[i] == SEIZED then redis.call('HSET', veil .. SEIZED, 'moves_in', '1') end
  end
  return 'done'
end

if verb == 'unveil' then
  local found = redis.call('SCAN', ARGV[3], 'MATCH', literal(veil) .. '*', 'COUNT', ARGV[4])
  local unveiled = 0
  for _, found_key in ipairs(found[2]) do
    local tail = string.sub(found_key, #veil + 1)
    if not is_found_by[tail] then
      redis.call('RENAME', found_key, root .. ':' .. tail)
      unveiled = unveiled + 1
      local campaign = string.match(tail, '^c:([^:]+)$')
      if campaign then redis.call('SADD', key.campaigns, campaign) end
    end
  end
  return { found[1], unveiled }
end

-- finish
if redis.call('EXISTS', veil .. SEIZED) == 0 then return 'done' end
for _, tail in ipairs(FOUND_BY) do
  if redis.call('EXISTS', veil .. tail) == 1 then redis.call('RENAME', veil .. tail, root .. ':' .. tail) end
end
local floor = redis.call('HGET', k, 'moved_floor') or ''
if floor ~= '' then redis.call('HSET', key.seals, 'k:' .. name, floor) end
local digest = redis.call('HGET', key.secret(name), 'digest')
if digest then redis.call('HSET', key.keys, digest, name) end
if redis.call('HGET', k, 'suspended') == 'moves' then redis.call('HDEL', k, 'suspended', 'suspended_at') end
redis.call('HDEL', k, 'moved_floor', 'moves_in')
redis.call('SADD', key.accounts, name)
local now = int(server_time())
redis.call('HSET', k, 'due', now)
redis.call('ZADD', key.due, now, name)
redis.call('ZADD', key.timers, now, name)
return 'done'
