-- Move the operations of inbox records into their lanes.
--
-- KEYS  1 root
-- ARGV  record ids
-- reply per record: written, duplicates, account, kind; -1, -1, '', '' where there was none (accepted before: harmless)
-- keys  in:<rid>, inbox, no:<rid>, o:<id>, lanes, timers, due, counts
-- Atomic per record and idempotent by operation id. A record that cannot be read is refused with a reason, never retried.
--@include keys.lua
--@include bucket.lua
--@include lanes.lua
local REFUSAL_KEPT_S = 86400
local now = server_time()
local epoch = current_epoch()
local reply = {}

-- Why the record cannot be taken, or nil. Everything is checked before anything is written.
local function objection(record, a)
  if not record then return 'the record is not of a version this worker reads' end
  if not a then return 'the account was removed' end
  if type(record.sender) ~= 'string' or type(record.rows) ~= 'table' then return 'the record is incomplete' end
  for _, fields_of in ipairs({ record.common or {}, unpack(record.rows) }) do
    for _, value in pairs(fields_of) do
      if type(value) ~= 'string' then return 'the record holds a field that is not text' end
    end
  end
  for _, row in ipairs(record.rows) do
    if not row.id or not row.to then return 'a row of the record lacks its id or target' end
  end
  return nil
end

local function decode(body)
  local readable, record = pcall(cjson.decode, body)
  if readable and type(record) == 'table' and record.v == 1 then return record end
  return nil
end

local function accept(rid, held)
  local account = held.account
  local tally = { a = account, c = held.campaign ~= '' and held.campaign or nil }
  local record = decode(held.body)
  local a = load_account(account, now, epoch)
  local why = objection(record, a)
  if a then count(tally, 'inbox', -tonumber(held.count)) end
  if why then
    redis.call('SET', key.refusal(rid), why, 'EX', REFUSAL_KEPT_S)
    if a then count(tally, 'refused', tonumber(held.count)) end
    return 0, 0, account, ''
  end
  local common, sender = record.common or {}, record.sender
  local source = record.campaign or '-'
  local lane = key.lane(account, sender)
  redis.call('SADD', a.key .. ':ln', sender)
  local written, duplicates, transactional, bulk = 0, 0, {}, {}
  for _, row in ipairs(record.rows) do
    local o = key.operation(row.id)
    if redis.call('EXISTS', o) == 1 then
      duplicates = duplicates + 1
    else
      written = written + 1
      local flat = { 's', 'w', 't', int(now) }
      for field, value in pairs(row) do
        if field ~= 'id' and field ~= 'nb' then
          flat[#flat + 1] = field
          flat[#flat + 1] = value
        end
      end
      for field, value in pairs(common) do
        flat[#flat + 1] = field
        flat[#flat + 1] = value
      end
      if record.campaign then
        flat[#flat + 1] = 'c'
        flat[#flat + 1] = record.campaign
      else
        flat[#flat + 1] = 'r'
        flat[#flat + 1] = rid
      end
      redis.call('HSET', o, unpack(flat))
      local not_before = tonumber(row.nb or common.nb or 0)
      if not_before > now then
        wait_until(account, 'n', row.id, not_before)
      elseif record.priority == 't' then
        transactional[#transactional + 1] = row.id
      else
        bulk[#bulk + 1] = row.id
      end
    end
  end
  if #transactional > 0 then redis.call('RPUSH', lane .. ':t', unpack(transactional)) end
  if #bulk > 0 and redis.call('RPUSH', lane .. ':b:' .. source, unpack(bulk)) == #bulk then
    redis.call('RPUSH', lane .. ':s', source)
  end
  count(tally, 'written', written)
  if duplicates > 0 then count(tally, 'duplicate', duplicates) end
  refresh_lane(account, sender, now)
  reschedule(a, now)
  return written, duplicates, account, common.k or fields(key.campaign(tally.c or ''), { 'k' }).k or ''
end

for _, rid in ipairs(ARGV) do
  local held = fields(key.record(rid), { 'account', 'campaign', 'count', 'body' })
  local written, duplicates, account, kind = -1, -1, '', ''
  if held.body then
    written, duplicates, account, kind = accept(rid, held)
    redis.call('DEL', key.record(rid))
  end
  redis.call('ZREM', key.inbox, rid)
  reply[#reply + 1] = written
  reply[#reply + 1] = duplicates
  reply[#reply + 1] = account
  reply[#reply + 1] = kind
end
return reply
