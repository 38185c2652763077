-- Webhooks out: hooks, who serves them, and the events that wait for each.
--
-- KEYS  1 root
-- ARGV  1 verb, then of people
--         add:     2 id, 3 about (JSON), 4 sealed secrets, 5 entries after this one are told ('' only what comes)
--         change:  2 id, 3 fields of about that change (JSON), 4 '1' to enable it, '0' to disable it, '' neither, 5 why
--         seal:    2 id, 3 number that the secrets had, 4 sealed secrets: it is number + 1 from now on
--         remove:  2 id
--         list:    2.. ids; none: all
--         queue:   2 id, then event, order and body of each: they are told again
--         dead:    2 id, 3 entries of the list to pass over, 4 most
--         revive:  2 id, 3.. events of the dead-letter list: they are told again
--       of a runner
--         claim:   2 runner, 3 lease (us)
--         leave:   2 runner, 3 lease (us), 4.. hooks that it keeps under its lease: it waits for answers to their events
--         head:    nothing more
--         put:     2 id, 3 runner, 4 place before, 5 place after, 6 '1' when entries between the two are lost, then event, order and body of each
--         take:    2 id, 3 runner, 4 most
--         back:    2 id, 3 runner: nothing is being told
--         note:    2 id, 3 runner, 4 retention (ms), 5 fields of the hook (JSON object of strings, '' takes one away), then event,
--                  'done' | 'late' | 'kept' (due again, without a try) | 'dead', ms until it is due, words of each
-- reply add: 'done' | 'taken'     change, seal, remove: 'done' | 'unknown' | 'changed'     list, claim, take, dead: JSON, see below
--       queue, revive: how many, or 'unknown' | 'full'     head: id of the stream's last entry     put, back, note: 'done' | 'lost' | 'moved'
--       take: 'lost' or JSON { events = { { event, body, tries } }, next = ms until the next is due or -1 }
-- keys  hooks, hooks:runners, wh:<id> and what is under it, signing:<id>; outcomes read only
--       wh:<id>       about, place (the last entry of the stream that was put), owner, until (us), serial (of its secrets), disabled (why),
--                     fails, opened, open_until (ms): its breaker; gaps, delivered, told_at (ms), words
--       wh:<id>:all   zset  events that wait -> since when (ms)           wh:<id>:body  hash  event -> order|body
--       wh:<id>:due   zset  those that may be told -> from when on (ms)   wh:<id>:out   set   those that are being told
--       wh:<id>:line  hash  order -> its events, the first of which is in due or out: the others wait for it
--       wh:<id>:tries hash  event -> tries|words                          wh:<id>:dead  zset  events that were given up -> since when (ms)
-- Replayable: `put` moves the place once, `note` of a known event does nothing.
--@include keys.lua
local verb, id = ARGV[1], ARGV[2]
local MOST_DEAD, FORGOTTEN_AT_ONCE, MOST_WAITING = 10000, 100, 50000
local hooks, runners = root .. ':hooks', root .. ':hooks:runners'
local function of(hook) return root .. ':wh:' .. hook end
local function signing(hook) return root .. ':signing:' .. hook end
local PARTS = { ':all', ':body', ':due', ':out', ':line', ':tries', ':dead' }
local h = of(id or '')

local function now_ms() return math.floor(server_time() / 1000) end

local function head()
  local last = redis.call('XREVRANGE', key.outcomes, '+', '-', 'COUNT', 1)[1]
  return last and last[1] or '0-0'
end

local function described(hook, with_secret)
  local all = whole(of(hook))
  all.id = hook
  all.waiting = redis.call('ZCARD', of(hook) .. ':all')
  all.dead = redis.call('ZCARD', of(hook) .. ':dead')
  all.oldest = redis.call('ZRANGE', of(hook) .. ':all', 0, 0, 'WITHSCORES')[2]
  if with_secret then all.secrets = redis.call('GET', signing(hook)) or '' end
  return all
end

local function is_held(runner)
  local held = fields(h, { 'owner', 'until' })
  return held.owner == runner and tonumber(held['until']) > server_time()
end

-- Behind the events of its order; the first of them is due.
local function enter(event, order, body, since, due)
  if redis.call('ZSCORE', h .. ':all', event) then return 0 end
  redis.call('ZREM', h .. ':dead', event)
  redis.call('HDEL', h .. ':tries', event)
  redis.call('ZADD', h .. ':all', since, event)
  redis.call('HSET', h .. ':body', event, order .. '|' .. body)
  local before = redis.call('HGET', h .. ':line', order)
  redis.call('HSET', h .. ':line', order, before and (before .. ' ' .. event) or event)
  if not before then redis.call('ZADD', h .. ':due', due, event) end
  return 1
end

-- Out of its line: the next of its order is due.
local function go_on(event, body, now)
  local order = string.match(body, '^([^|]*)|')
  local line = redis.call('HGET', h .. ':line', order)
  local rest = line and string.match(line, '^%S+ (.+)$')
  if rest then
    redis.call('HSET', h .. ':line', order, rest)
    redis.call('ZADD', h .. ':due', now, string.match(rest, '^%S+'))
  else
    redis.call('HDEL', h .. ':line', order)
  end
  redis.call('ZREM', h .. ':all', event)
end

local function forget_dead(retention, now)
  local old = redis.call('ZRANGEBYSCORE', h .. ':dead', '-inf', now - retention, 'LIMIT', 0, FORGOTTEN_AT_ONCE)
  if #old == 0 and redis.call('ZCARD', h .. ':dead') > MOST_DEAD then
    old = redis.call('ZRANGE', h .. ':dead', 0, FORGOTTEN_AT_ONCE - 1)
  end
  for _, event in ipairs(old) do
    redis.call('ZREM', h .. ':dead', event)
    redis.call('HDEL', h .. ':body', event)
    redis.call('HDEL', h .. ':tries', event)
  end
end

-- What was being told when its runner ended is told again.
local function back(now)
  for _, event in ipairs(redis.call('SMEMBERS', h .. ':out')) do
    if redis.call('ZSCORE', h .. ':all', event) then redis.call('ZADD', h .. ':due', now, event) end
  end
  redis.call('UNLINK', h .. ':out')
end

if verb == 'head' then return head() end

if verb == 'list' then
  local ids, all = { unpack(ARGV, 2) }, {}
  if #ids == 0 then ids = redis.call('SMEMBERS', hooks) end
  table.sort(ids)
  for _, hook in ipairs(ids) do
    if redis.call('SISMEMBER', hooks, hook) == 1 then all[#all + 1] = described(hook, false) end
  end
  return cjson.encode({ head = head(), now = now_ms(), runners = redis.call('ZCOUNT', runners, now_ms(), '+inf'), hooks = #all > 0 and all or nil })
end

if verb == 'add' then
  if redis.call('SISMEMBER', hooks, id) == 1 then return redis.call('HGET', h, 'about') == ARGV[3] and 'done' or 'taken' end
  redis.call('HSET', h, 'about', ARGV[3], 'place', ARGV[5] ~= '' and ARGV[5] or head(), 'serial', '0', 'created', int(now_ms()))
  redis.call('SET', signing(id), ARGV[4])
  redis.call('SADD', hooks, id)
  return 'done'
end

if verb == 'claim' or verb == 'leave' then
  local runner, now = id, server_time()
  local lease = tonumber(ARGV[3])
  redis.call('ZREMRANGEBYSCORE', runners, '-inf', now / 1000)
  if verb == 'claim' then
    redis.call('ZADD', runners, int((now + lease) / 1000), runner)
  else
    redis.call('ZREM', runners, runner)
  end
  local ids, mine, free = redis.call('SMEMBERS', hooks), {}, {}
  table.sort(ids)
  for _, hook in ipairs(ids) do
    local held = fields(of(hook), { 'owner', 'until' })
    if held.owner == runner and tonumber(held['until']) > now then
      mine[#mine + 1] = hook
    elseif not held.owner or tonumber(held['until']) <= now then
      free[#free + 1] = hook
    end
  end
  if verb == 'leave' then
    local kept = {}
    for i = 4, #ARGV do kept[ARGV[i]] = true end
    for _, hook in ipairs(mine) do
      if kept[hook] then redis.call('HSET', of(hook), 'until', int(now + lease)) else redis.call('HDEL', of(hook), 'owner', 'until') end
    end
    return 'done'
  end
  local share = math.ceil(#ids / redis.call('ZCARD', runners))
  while #mine > share do redis.call('HDEL', of(table.remove(mine)), 'owner', 'until') end
  for _, hook in ipairs(mine) do redis.call('HSET', of(hook), 'until', int(now + lease)) end
  for _, hook in ipairs(free) do
    if #mine >= share then break end
    h = of(hook)
    redis.call('HSET', h, 'owner', runner, 'until', int(now + lease))
    mine[#mine + 1] = hook
  end
  local all = {}
  for _, hook in ipairs(mine) do all[#all + 1] = described(hook, true) end
  return cjson.encode({ head = head(), now = now_ms(), hooks = #all > 0 and all or nil })
end

if redis.call('SISMEMBER', hooks, id) == 0 then
  if verb == 'put' or verb == 'take' or verb == 'note' or verb == 'back' then return 'lost' end
  return 'unknown'
end

if verb == 'change' then
  if ARGV[3] ~= '{}' then
    local about = cjson.decode(redis.call('HGET', h, 'about'))
    for field, value in pairs(cjson.decode(ARGV[3])) do about[field] = value end
    redis.call('HSET', h, 'about', cjson.encode(about))
  end
  if ARGV[4] == '1' then redis.call('HDEL', h, 'disabled', 'fails', 'opened', 'open_until') end
  if ARGV[4] == '0' then redis.call('HSET', h, 'disabled', ARGV[5]) end
  return 'done'
elseif verb == 'seal' then
  if redis.call('HGET', h, 'serial') ~= ARGV[3] then return 'changed' end
  redis.call('SET', signing(id), ARGV[4])
  redis.call('HINCRBY', h, 'serial', 1)
  return 'done'
elseif verb == 'remove' then
  redis.call('SREM', hooks, id)
  redis.call('UNLINK', h, signing(id))
  for _, part in ipairs(PARTS) do redis.call('UNLINK', h .. part) end
  return 'done'
elseif verb == 'queue' then
  if redis.call('ZCARD', h .. ':all') >= MOST_WAITING then return 'full' end
  local now, number = now_ms(), 0
  for i = 3, #ARGV, 3 do number = number + enter(ARGV[i], ARGV[i + 1], ARGV[i + 2], now, now) end
  return tostring(number)
elseif verb == 'dead' then
  local from, all = tonumber(ARGV[3]), {}
  local flat = redis.call('ZRANGE', h .. ':dead', from, from + tonumber(ARGV[4]) - 1, 'WITHSCORES')
  for i = 1, #flat, 2 do
    local body = redis.call('HGET', h .. ':body', flat[i]) or '|{}'
    all[#all + 1] = { flat[i], flat[i + 1], redis.call('HGET', h .. ':tries', flat[i]) or '0|', string.match(body, '^[^|]*|(.*)$') }
  end
  return cjson.encode({ events = #all > 0 and all or nil })
elseif verb == 'revive' then
  if redis.call('ZCARD', h .. ':all') >= MOST_WAITING then return 'full' end
  local now, number = now_ms(), 0
  for i = 3, #ARGV do
    local body = redis.call('ZSCORE', h .. ':dead', ARGV[i]) and redis.call('HGET', h .. ':body', ARGV[i])
    if body then
      local order, text = string.match(body, '^([^|]*)|(.*)$')
      number = number + enter(ARGV[i], order, text, now, now)
    end
  end
  return tostring(number)
end

-- The rest is a runner's.
if not is_held(ARGV[3]) then return 'lost' end
local now = now_ms()

if verb == 'put' then
  if redis.call('HGET', h, 'place') ~= ARGV[4] then return 'moved' end
  for i = 7, #ARGV, 3 do enter(ARGV[i], ARGV[i + 1], ARGV[i + 2], now, now) end
  redis.call('HSET', h, 'place', ARGV[5])
  if ARGV[6] == '1' then redis.call('HINCRBY', h, 'gaps', 1) end
  return 'done'
elseif verb == 'back' then
  back(now)
  return 'done'
elseif verb == 'take' then
  local events = {}
  for _, event in ipairs(redis.call('ZRANGEBYSCORE', h .. ':due', '-inf', now, 'LIMIT', 0, tonumber(ARGV[4]))) do
    redis.call('ZREM', h .. ':due', event)
    redis.call('SADD', h .. ':out', event)
    local body = string.match(redis.call('HGET', h .. ':body', event) or '|{}', '^[^|]*|(.*)$')
    events[#events + 1] = { event, body, string.match(redis.call('HGET', h .. ':tries', event) or '0|', '^%d+') }
  end
  local due = redis.call('ZRANGE', h .. ':due', 0, 0, 'WITHSCORES')[2]
  return cjson.encode({ events = #events > 0 and events or nil, next = due and math.max(0, tonumber(due) - now) or -1 })
end

-- note
for field, value in pairs(cjson.decode(ARGV[5])) do
  if value == '' then
    redis.call('HDEL', h, field)
  else
    redis.call('HSET', h, field, value)
  end
end
local delivered = 0
for i = 6, #ARGV, 4 do
  local event, what, due, words = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  local body = redis.call('SREM', h .. ':out', event) == 1 and redis.call('HGET', h .. ':body', event)
  if body and what == 'done' then
    go_on(event, body, now)
    redis.call('HDEL', h .. ':body', event)
    redis.call('HDEL', h .. ':tries', event)
    delivered = delivered + 1
  elseif body and what == 'kept' then
    redis.call('ZADD', h .. ':due', now, event)
  elseif body then
    local tries = tonumber(string.match(redis.call('HGET', h .. ':tries', event) or '0|', '^%d+')) + 1
    redis.call('HSET', h .. ':tries', event, tries .. '|' .. words)
    if what == 'late' then
      redis.call('ZADD', h .. ':due', now + tonumber(due), event)
    else
      go_on(event, body, now)
      redis.call('ZADD', h .. ':dead', now, event)
    end
  end
end
if delivered > 0 then redis.call('HINCRBY', h, 'delivered', delivered) end
forget_dead(tonumber(ARGV[4]), now)
return 'done'
