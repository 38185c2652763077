-- Forget a person: whatever state holds of one number.
--
-- KEYS  1 root
-- ARGV  1 verb, 2 the number's digits, and behind a space what stands for them after the plus where the number is encrypted; then
--         page:    3 cursor ('0' first), 4 about how many keys to look at
--         closed:  3, 4 likewise
--         marks:   3, 4 likewise
--         end:     3 retention (ms), then ids
--         inbox:   3 from, 4 to: places of the index of inbox records
--         hooks:   nothing more
--         events:  3 id of a hook, 4 cursor ('0' first), 5 about how many events
--         look:    3 campaign, or '' for the stream of all outcomes, 4 where to begin ('-', or '(' and an entry id), 5 most entries
--         copy:    3, 4, 5 likewise, 6 who copies
--         swap:    3, 4 likewise, 5 who copies
-- reply page:  { next cursor ('0' after the last page), then id, '1' when the number is its recipient ... of those that name the number }
--       closed: { next cursor, then id, payload, result ... of the operations whose payload is encrypted }
--       marks: { next cursor, how many marks of the number were deleted }
--       end:   per id 'deleted' | 'cancelled' (and deleted) | 'under way' | 'waits' (the number is not its recipient) | 'gone'
--       inbox: how many records name the number, then the ids of those in envelopes, which may
--       hooks: ids; events: { next cursor, how many dead letters were deleted, how many events wait to be posted }
--       look:  { last entry id looked at or '', how many entries name the number }
--       copy:  { last entry id copied or '', how many were left out }
--       swap:  'done', or 'more': there is more to copy than one call may
--       copy, swap: 'busy': another command copies a stream, or this copy was not continued in time; begin again
-- keys  meta, o:<id>, had:<acct>, a:<acct>:st:<n>, hooks, wh:<id>, lanes, timers, inbox, in:<rid>, a:<acct>:dead, outcomes, c:<name>:out, forgetting
-- A deleted entry of a stream stays in the server's memory and files until its whole block is deleted. So a stream is copied without
-- the entries that name the number, under the same ids, and the copy takes its place.
--@include shared/moves.lua
--@include shared/cancelled.lua
local verb, forms = ARGV[1], {}
for form in string.gmatch(ARGV[2], '%S+') do forms[#forms + 1] = form end
local now = server_time()
local COPY_KEPT_MS, ENOUGH = 60000, 2000

local function names_form(text, form)
  local from = 1
  while true do
    local first, last = string.find(text, form, from, true)
    if not first then return false end
    if not string.find(string.sub(text, first - 1, first - 1), '%d') and not string.find(string.sub(text, last + 1, last + 1), '%d') then return true end
    from = first + 1
  end
end

-- Whether a text names the number, with or without its plus, and not as a part of a longer one.
local function names_it(text)
  return names_form(text, forms[1]) or forms[2] ~= nil and names_form(text, forms[2])
end

local function is_recipient(to)
  return to == '+' .. forms[1] or forms[2] ~= nil and to == '+' .. forms[2]
end

local function any_names_it(flat)
  for i = 2, #flat, 2 do
    if names_it(flat[i]) then return true end
  end
  return false
end

if verb == 'page' then
  local prefix = key.operation('')
  local page = redis.call('SCAN', ARGV[3], 'MATCH', prefix .. '*', 'COUNT', ARGV[4])
  local found = { page[1] }
  for _, k in ipairs(page[2]) do
    if any_names_it(redis.call('HGETALL', k)) then
      found[#found + 1] = string.sub(k, #prefix + 1)
      found[#found + 1] = is_recipient(redis.call('HGET', k, field.o.to)) and '1' or '0'
    end
  end
  return found
end

if verb == 'closed' then
  local prefix = key.operation('')
  local page = redis.call('SCAN', ARGV[3], 'MATCH', prefix .. '*', 'COUNT', ARGV[4])
  local reply = { page[1] }
  for _, k in ipairs(page[2]) do
    local stored = redis.call('HMGET', k, field.o.payload, field.o.result)
    if stored[1] and string.sub(stored[1], 1, 1) == '~' then
      reply[#reply + 1] = string.sub(k, #prefix + 1)
      reply[#reply + 1] = stored[1]
      reply[#reply + 1] = stored[2] or ''
    end
  end
  return reply
end

-- Who had bulk messages lately, and from which sender: also of accounts that were removed.
if verb == 'marks' then
  local page = redis.call('SCAN', ARGV[3], 'MATCH', root .. ':*', 'COUNT', ARGV[4])
  local had, deleted = key.contacts(''), 0
  for _, k in ipairs(page[2]) do
    if string.sub(k, 1, #had) == had then
      for _, form in ipairs(forms) do deleted = deleted + redis.call('HDEL', k, '+' .. form) end
    elseif string.find(k, ':st:%d+$') and string.sub(k, 1, #root + 3) == root .. ':a:' then
      deleted = deleted + redis.call('HDEL', k, unpack(forms))
    end
  end
  return { page[1], deleted }
end

if verb == 'inbox' then
  local reply = { 0 }
  for _, rid in ipairs(redis.call('ZRANGE', key.inbox, ARGV[3], ARGV[4])) do
    local body = redis.call('HGET', key.record(rid), 'body')
    if body and string.sub(body, 1, 4) == 'pe1.' then
      reply[#reply + 1] = rid
    elseif body and names_it(body) then
      reply[1] = reply[1] + 1
    end
  end
  return reply
end

local function delete(o)
  redis.call('ZREM', key.account(o.account) .. ':dead', o.id)
  redis.call('UNLINK', o.key)
  return 'deleted'
end

local function end_one(id, retention)
  local o = load_operation(id)
  -- Of an operation whose campaign was deleted by an earlier release only the hash is left.
  if not o then return redis.call('UNLINK', key.operation(id)) == 1 and 'deleted' or 'gone' end
  if o.state == 'd' and o.outcome ~= 'held' then return delete(o) end
  if o.state == 'g' or o.state == 's' or o.look_up then return 'under way' end
  if not is_recipient(o.to) then return 'waits' end
  if o.outcome == 'held' then
    outcomes.finish(o, now, 'cancelled', { code = 'forgotten', words = 'its recipient is forgotten' }, retention)
    lanes.refresh(o.account, o.sender, now)
  else
    redis.call('HSET', o.key, field.o.cancelled_because, 'its recipient is forgotten')
    if not cancelled.attend(id, now, retention) then return 'under way' end  -- a long list: its turn comes, and ends it
  end
  local a = load_account(o.account, now, current_epoch())
  if a then reschedule(a, now) end
  delete(o)
  return 'cancelled'
end

if verb == 'end' then
  local done = {}
  for i = 4, #ARGV do done[#done + 1] = end_one(ARGV[i], ARGV[3]) end
  return done
end

if verb == 'hooks' then return redis.call('SMEMBERS', root .. ':hooks') end
if verb == 'events' then
  local h = root .. ':wh:' .. ARGV[3]
  local cursor, flat = unpack(redis.call('HSCAN', h .. ':body', ARGV[4], 'COUNT', ARGV[5]))
  local deleted, waiting = 0, 0
  for i = 1, #flat, 2 do
    if names_it(flat[i + 1]) and redis.call('ZREM', h .. ':dead', flat[i]) == 1 then
      deleted = deleted + 1
      redis.call('HDEL', h .. ':body', flat[i])
      redis.call('HDEL', h .. ':tries', flat[i])
    elseif names_it(flat[i + 1]) then
      waiting = waiting + 1
    end
  end
  return { cursor, deleted, waiting }
end

local stream = ARGV[3] == '' and key.outcomes or key.campaign(ARGV[3]) .. ':out'

if verb == 'look' then
  local entries, number = redis.call('XRANGE', stream, ARGV[4], '+', 'COUNT', ARGV[5]), 0
  for _, each in ipairs(entries) do
    if any_names_it(each[2]) then number = number + 1 end
  end
  return { #entries > 0 and entries[#entries][1] or '', number }
end

-- An entry that tells of many recipients, without this one; nil when nobody is left.
local function others_of(flat)
  local kept = {}
  for i = 1, #flat, 2 do
    local field, value = flat[i], flat[i + 1]
    if field == 'recipients' then
      local others = {}
      for _, one in ipairs(cjson.decode(value)) do
        if not names_it(cjson.encode(one)) then others[#others + 1] = one end
      end
      if #others == 0 then return nil end
      value = cjson.encode(others)
    elseif names_it(value) then
      return nil
    end
    kept[#kept + 1], kept[#kept + 2] = field, value
  end
  return kept
end

local function copy(entries)
  local left_out = 0
  for _, each in ipairs(entries) do
    local flat = each[2]
    if any_names_it(flat) then
      left_out = left_out + 1
      flat = others_of(flat)
    end
    if flat then redis.call('XADD', key.forgetting, each[1], unpack(flat)) end
  end
  redis.call('PEXPIRE', key.forgetting, COPY_KEPT_MS)
  return { #entries > 0 and entries[#entries][1] or '', left_out }
end

-- Consumer groups of other programs go on where they were, with what their consumers have not acknowledged: a bounded part of that.
local function copy_groups()
  for _, flat in ipairs(redis.call('XINFO', 'GROUPS', stream)) do
    local group = {}
    for i = 1, #flat, 2 do group[flat[i]] = flat[i + 1] end
    redis.call('XGROUP', 'CREATE', key.forgetting, group.name, group['last-delivered-id'])
    for _, each in ipairs(redis.call('XPENDING', stream, group.name, '-', '+', ENOUGH)) do
      local id, consumer, idle, deliveries = unpack(each)
      if #redis.call('XRANGE', key.forgetting, id, id) > 0 then
        redis.call('XCLAIM', key.forgetting, group.name, consumer, 0, id, 'IDLE', idle, 'RETRYCOUNT', deliveries, 'FORCE', 'JUSTID')
      end
    end
  end
end

-- One copy at a time: a second one would bring back what the first left out. Whoever copies says so with each part.
local who = verb == 'copy' and ARGV[6] or ARGV[5]
local owner, kept_until = string.match(redis.call('HGET', key.meta, 'forgetting') or '', '^(.*)|(%d+)$')
local is_kept = owner ~= nil and tonumber(kept_until) > now and tonumber(kept_until) <= now + COPY_KEPT_MS * 1000
if is_kept and owner ~= who or not is_kept and (verb ~= 'copy' or ARGV[4] ~= '-') then return 'busy' end
redis.call('HSET', key.meta, 'forgetting', who .. '|' .. int(now + COPY_KEPT_MS * 1000))

if verb == 'copy' then
  if ARGV[4] == '-' then redis.call('DEL', key.forgetting) end
  return copy(redis.call('XRANGE', stream, ARGV[4], '+', 'COUNT', ARGV[5]))
end

local rest = redis.call('XRANGE', stream, ARGV[4], '+', 'COUNT', ENOUGH)
if #rest == ENOUGH then return 'more' end
copy(rest)
local last = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
if last and redis.call('EXISTS', key.forgetting) == 0 then
  redis.call('XDEL', key.forgetting, redis.call('XADD', key.forgetting, last[1], 'id', ''))
elseif last then
  redis.call('XSETID', key.forgetting, last[1])
end
if last then copy_groups() end
local expires = redis.call('PTTL', stream)
redis.call('RENAME', key.forgetting, stream)
if expires > 0 then redis.call('PEXPIRE', stream, expires) else redis.call('PERSIST', stream) end
redis.call('HDEL', key.meta, 'forgetting')
return 'done'
