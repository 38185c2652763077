-- Move the operations of inbox records into their lanes.
--
-- KEYS  1 root
-- ARGV  1 retention of settled operations (ms), then per record, as records.lua read it: its id, account, campaign, number of operations, body, then the seals of its rows (20
--       characters each), '-' where the body cannot be read, 'x' where it was in an envelope that no worker can open, or '' where nothing is
--       sealed; then, where recipients are encrypted, their numbers as they were given, a line for each row
-- reply how many of them are done with (at least one, unless one is behind; the rest is for the next run: a script must not hold up
--       the others), the ids of those of its account that come before the next one and were not given ({} when there are none), then
--       per record taken: written, duplicates, account, kind, the trace of its first row, how many of those written were suppressed;
--       -2, 0, account, '', '', 0 where it was refused; -1, -1, '', '', '', 0 where there was none (accepted before: harmless)
-- keys  in:<rid>, inbox, a:<acct>:in, a:<acct>:c:in, no:<rid>, o:<id>, c:<name>:z, lanes, timers, due, counts, sup:<acct>, outcomes, c:<name>:out
-- Atomic per record and idempotent by operation id. A record that cannot be read is refused with a reason, never retried.
--@include shared/moves.lua
--@include shared/work.lua
--@include shared/record.lua
--@include shared/pools.lua
--@include shared/suppression.lua
local REFUSAL_KEPT_S = 86400
-- `flows.sending` makes an error of these words.
local OTHER_CONTENT = 'its idempotency key belongs to an operation with other content'
-- No further record is begun after so many rows.
local ENOUGH_ROWS = 250
local retention = ARGV[1]
local now = server_time()
local epoch = current_epoch()
-- Of an account, so many records that come before another are told at once.
local MOST_BEHIND = 100
local SEAL = 20
local UNREADABLE = '-'
local FOREIGN = 'the record was encrypted to a key that is not that of the workers'
local reply = { 0, {} }

-- From when an operation may leave, by its not_before and by its own window.
local function earliest(row, common)
  local from = tonumber(row.not_before or common.not_before or 0)
  local openings = row.openings or common.openings
  return openings and campaign.opening_at(openings, math.max(from, now + HOP)) or from
end

-- Its place among those that wait for the same time.
local function numbered(account, id)
  local seq = string.format('%015d', redis.call('HINCRBY', key.account(account), 'seq', 1))
  redis.call('HSET', key.operation(id), field.o.sequence, seq)
  return seq
end

-- Let one wait for its time: in its campaign's timers, or in the account's.
local function schedule(account, name, id, at, seq)
  if not name then return lanes.wait_until(account, 'n', seq, id, at) end
  redis.call('ZADD', key.campaign(name) .. ':tm', int(at), seq .. ':' .. id)
  campaign.wake(account, name, at)
end

-- Refuse a record with a reason, and count it.
local function refuse(rid, held, a, why)
  redis.call('SET', key.refusal(rid), why, 'EX', REFUSAL_KEPT_S)
  if a then
    local name = record_of.campaign(held)
    count({ [field.o.account] = held.account, [field.o.campaign] = name }, 'refused', record_of.counted(held))
    if name then
      campaign.wake(held.account, name, now)  -- perhaps this was the last that it waited for
      reschedule(a, now)
    end
  end
  return -2, 0, held.account, '', '', 0
end

-- Of the rows of a record: place -> { code, words } why nobody may write to its recipient; nil when there is none. Each list is asked once
-- for all of them. A million rows pass here: no function is called for a row, and a row that no list concerns asks for ''.
local function suppressed_rows(a, record, kind, clear)
  local why, numbers = nil, suppression.concerns_kind(a, kind) and {} or nil
  for place, row in ipairs(record.rows) do
    local ids, to = row.excluded_ids, row.to
    local reached_by = ids and listed.elsewhere(ids)
    if reached_by then
      why = why or {}
      why[place] = { 'campaign', 'its recipient is in campaign ' .. reached_by .. ', which this one leaves out' }
    end
    if numbers then numbers[place] = not row.exempt and string.byte(to) == 43 and (clear and clear[place] or to) or '' end
  end
  for place, words in pairs(numbers and suppression.of(a, numbers) or {}) do
    why = why or {}
    why[place] = { 'listed', words }
  end
  return why
end

-- A row that is written with its outcome: it never enters a lane.
local function suppress(row, record, account, kind, why)
  local code, words = unpack(why)
  local k = key.operation(row.id)
  redis.call('HSET', k, field.o.state, 'd', field.o.outcome, 'suppressed', field.o.settled_at, int(now), field.o.code, code, field.o.handle, '', field.o.words, words)
  redis.call('PEXPIRE', k, retention)
  outcomes.announce({
    id = row.id, [field.o.account] = account, [field.o.campaign] = record.campaign, [field.o.kind] = kind, [field.o.accepted_at] = int(now),
    to = row.to, [field.o.idempotency_key] = row.idempotency_key, [field.o.row_key] = row.row_key, [field.o.metadata] = row.metadata,
  }, now, 'suppressed', { code = code, words = words }, retention)
end

-- Count those of a record that were suppressed.
local function count_suppressed(tally, number)
  count(tally, 'suppressed', number)
  if tally.c and not campaign.of(tally.c).forgets_at then campaign.write(tally.c, 'forgets_at', int(now + retention * 1000)) end
end

-- Whether two digests tell of two contents. A keyed one (k) says nothing beside one from before contents were encrypted.
local function differs(one, other)
  return one ~= other and (string.byte(one) == 107) == (string.byte(other) == 107)
end

-- A function that tells whether an operation exists. Mostly none of a record does, which one question answers for all of them; two rows of
-- a record may have the same id.
local function existing(rows)
  local keys, before = {}, {}
  for place, row in ipairs(rows) do keys[place] = key.operation(row.id) end
  local some = #keys > 0 and redis.call('EXISTS', unpack(keys)) > 0
  return function(id, o)
    local is_there = before[id] or some and redis.call('EXISTS', o) == 1
    before[id] = true
    return is_there
  end
end

-- Place of a row -> its number as it was given, of rows whose recipient is encrypted.
local function clear_numbers(text)
  if text == '' then return nil end
  local clear, place = {}, 0
  for number in string.gmatch(text .. '\n', '(.-)\n') do
    place = place + 1
    if number ~= '' then clear[place] = number end
  end
  return clear
end

local function accept(rid, held)
  local account = held.account
  local name = held.campaign ~= '' and held.campaign or nil
  local tally = { [field.o.account] = account, [field.o.campaign] = record_of.campaign(held) }

  local record = record_of.decode(held.body)
  if record then record.campaign = name end
  local a = load_account(account, now, epoch)
  local why = held.seals == 'x' and FOREIGN or record_of.objection(record, held, a, name)
  if not why and held.seals ~= '' and #held.seals ~= SEAL * #record.rows then why = 'the record is not readable text' end

  if a then count(tally, 'inbox', 0 - record_of.counted(held)) end
  if why then
    -- Bytes that are no text would stop whoever reads the stream.
    if a and why == record_of.CANCELLED and held.seals ~= UNREADABLE then campaign.tell_unreached(account, name, record_of.unreached(record), now) end
    return refuse(rid, held, a, why)
  end

  local common, sender = record.common or {}, record.sender
  local kind = common.kind or name and campaign.of(name).kind or ''
  local lane = key.lane(account, sender)
  redis.call('SADD', a.key .. ':ln', sender)
  local pooled = record.campaign and campaign.of(record.campaign).weighted_senders

  -- `parts`: of each sender and set of zones its operations, in the order in which they come first.
  local written, duplicates, other_content, transactional, bulk, parts = 0, 0, 0, {}, {}, {}
  local function into_part(own, z, id)
    local name = own .. '|' .. (z or '')
    if not parts[name] then
      parts[name] = { sender = own, z = z, ids = {} }
      parts[#parts + 1] = parts[name]
    end
    table.insert(parts[name].ids, id)
  end

  local why_not, suppressed = suppressed_rows(a, record, kind, clear_numbers(held.numbers)), 0

  -- Into the lane of its sender, or into a timer.
  local function enter(row, own)
    local from = earliest(row, common)
    local seq = (from > now + HOP or row.openings) and numbered(account, row.id)
    if from > now + HOP then
      schedule(account, record.campaign, row.id, from, seq)
    elseif record.priority == 't' and not record.campaign then
      transactional[#transactional + 1] = row.id
    elseif row.zones or pooled then
      into_part(own, row.zones, row.id)
    else
      bulk[#bulk + 1] = row.id
    end
  end

  -- What all operations of the record hold; the fields of each row are put behind it.
  local flat = { field.o.state, 'w', field.o.accepted_at, int(now), name and field.o.campaign or field.o.record, name or rid }
  for code, value in pairs(common) do
    flat[#flat + 1] = code
    flat[#flat + 1] = value
  end
  local shared = #flat

  local is_there = existing(record.rows)
  for place, row in ipairs(record.rows) do
    local o = key.operation(row.id)
    if is_there(row.id, o) then
      if row.content_digest and differs(redis.call('HGET', o, field.o.content_digest) or row.content_digest, row.content_digest) then
        other_content = other_content + 1
      else
        duplicates = duplicates + 1
      end
    else
      written = written + 1
      local last = shared
      for code, value in pairs(row) do
        if code ~= 'id' and code ~= field.o.not_before and code ~= field.o.excluded_ids and not common[code] then
          flat[last + 1], flat[last + 2] = code, value
          last = last + 2
        end
      end

      local own = sender
      local barred = why_not and why_not[place]
      if pooled and not barred then
        own = row.sender or pool.sender_of(account, record.campaign, row.to) or sender
        if not row.sender then pool.note(account, row.to, own) end
        if own ~= sender then
          flat[last + 1], flat[last + 2] = field.o.sender, own
          last = last + 2
        end
      elseif a.pooled and common.kind == 'message.to_number' and not barred then
        pool.note(account, row.to, sender)
      end

      if held.seals ~= '' then
        flat[last + 1], flat[last + 2] = field.o.seal, string.sub(held.seals, SEAL * (place - 1) + 1, SEAL * place)
        last = last + 2
      end

      redis.call('HSET', o, unpack(flat, 1, last))
      if barred then
        suppressed = suppressed + 1
        suppress(row, record, account, kind, barred)
      else
        enter(row, own)
      end
    end
  end

  -- A list that held something is in its place already.
  local was_empty = #transactional > 0 and redis.call('RPUSH', lane .. ':t', unpack(transactional)) == #transactional
  if #bulk > 0 and redis.call('RPUSH', key.bulk(lane, record.campaign or '-'), unpack(bulk)) == #bulk then
    was_empty = true
    campaign.offer(account, lane, record.campaign or '-', now)
  end

  for _, part in ipairs(parts) do
    local own = key.lane(account, part.sender)
    local was_filled
    if part.z then
      was_filled = zone.push(own, record.campaign, part.z, false, now + HOP, part.ids)
    else
      was_filled = redis.call('RPUSH', key.bulk(own, record.campaign), unpack(part.ids)) == #part.ids
    end
    if was_filled then
      was_empty = true
      campaign.offer(account, own, record.campaign, now)
      if part.sender ~= sender then
        redis.call('SADD', a.key .. ':ln', part.sender)
        lanes.refresh(account, part.sender, now)
      end
    end
  end

  count(tally, 'written', written)
  if record.campaign then campaign.count_left(account, record.campaign, written - suppressed, now) end
  if suppressed > 0 then count_suppressed(tally, suppressed) end
  if duplicates > 0 then count(tally, 'duplicate', duplicates) end
  if other_content > 0 then
    redis.call('SET', key.refusal(rid), OTHER_CONTENT, 'EX', REFUSAL_KEPT_S)
    count(tally, 'refused', other_content)
  end

  if was_empty or not a.due then
    reschedule(a, now, lanes.refresh(account, sender, now))
  else
    bucket.save(a)
  end
  return written, duplicates, account, kind, record.rows[1].tp or '', suppressed
end

-- Where the records of an account stand that come before one. A producer of an earlier release writes those of campaigns beside the others.
local function indexes(account, campaign)
  local single = key.records(account, '')
  return campaign == '' and { single } or { key.records(account, campaign), single }
end

local function forget(rid, account, campaign)
  redis.call('DEL', key.record(rid))
  redis.call('ZREM', key.inbox, rid)
  for _, index in ipairs(indexes(account, campaign)) do redis.call('ZREM', index, rid) end
end

local function tell(settled_as)
  for _, value in ipairs(settled_as) do reply[#reply + 1] = value end
end

local NONE = { -1, -1, '', '', '', 0 }

-- Returns how much work it was, in rows.
local function accept_and_forget(rid, held)
  local done = record_of.guarded(accept, rid, held)
  tell(done and { unpack(done, 2) } or { refuse(rid, held, load_account(held.account, now, epoch), 'the record cannot be read') })
  forget(rid, held.account, held.campaign)
  return math.max(record_of.counted(held), #held.body / 16384)
end

-- Where a record stands: 'next', 'gone' (somebody accepted it meanwhile), or 'behind' others of its account, which are taken in the
-- order in which they were written: a hint may overtake another.
local function place_of(rid, account, campaign)
  for _, index in ipairs(indexes(account, campaign)) do
    local first = redis.call('ZRANGE', index, 0, 0)[1]
    -- Names without a record are of a worker of an earlier release, or of a stranger: nothing waits for them.
    for _ = 1, MOST_BEHIND do
      if not first or first == rid or redis.call('EXISTS', key.record(first)) == 1 then break end
      redis.call('ZREM', index, first)
      first = redis.call('ZRANGE', index, 0, 0)[1]
    end
    if first == rid then return 'next' end
    if first and redis.call('ZSCORE', index, rid) then return 'behind', index end
  end
  return redis.call('EXISTS', key.record(rid)) == 1 and 'next' or 'gone'
end

local taken = 0
for i = 2, #ARGV, 7 do
  local rid = ARGV[i]
  local held = { account = ARGV[i + 1], campaign = ARGV[i + 2], count = ARGV[i + 3], body = ARGV[i + 4], seals = ARGV[i + 5], numbers = ARGV[i + 6] }
  local place, index = 'none', nil
  if held.body ~= '' then place, index = place_of(rid, held.account, held.campaign) end
  if place == 'behind' then
    reply[2] = redis.call('ZRANGE', index, 0, MOST_BEHIND - 1)
    break
  elseif place == 'next' then
    taken = taken + accept_and_forget(rid, held)
  else
    if place ~= 'gone' then forget(rid, held.account, '?') end
    tell(NONE)
  end
  reply[1] = reply[1] + 1
  if taken >= ENOUGH_ROWS then break end
end
return reply
