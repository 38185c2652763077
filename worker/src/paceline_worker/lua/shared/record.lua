-- What an inbox record may be. Needs campaigns.lua. A producer's user may write any record, so nothing in it is believed: fields come from
-- a closed list, account, sender and campaign have one home each, and everything has a size. Everything is checked before anything is
-- written.
local record_of = { CANCELLED = 'its campaign was cancelled' }

-- An Outbox writes 250 rows at most (some 2 ms); releases before wrote 1,000. More would hold up the server, and Lua's stack.
local MOST_ROWS = 2000
-- A payload of 131,072 bytes, when it is encrypted.
local LARGEST_RECORD, LARGEST_PAYLOAD = 16777216, 175000
-- Field of a row -> the most bytes that it may have.
local ROW = {
  id = 64, to = 128, [field.o.payload] = LARGEST_PAYLOAD, [field.o.metadata] = LARGEST_PAYLOAD, [field.o.follows] = 64,
  [field.o.not_before] = 17, [field.o.valid_until] = 17, [field.o.openings] = 4096, [field.o.trace] = 512,
  [field.o.idempotency_key] = 1040, [field.o.content_digest] = 128, [field.o.row_key] = 4096, [field.o.zones] = 16,
  [field.o.exempt] = 1024, [field.o.excluded_ids] = 1024, [field.o.sender] = 32,
}
local COMMON = {
  [field.o.account] = 128, [field.o.sender] = 32, [field.o.priority] = 1, [field.o.kind] = 64, [field.o.max_attempts] = 4,
  [field.o.on_unknown] = 16, [field.o.unknown_letter] = 1, [field.o.valid_until] = 17, [field.o.openings] = 4096,
}
local NEEDED_OF_ROW, NEEDED_OF_COMMON = { 'id', 'to', field.o.payload }, { field.o.account, field.o.sender, field.o.priority, field.o.kind, field.o.max_attempts, field.o.on_unknown }
local TIMES = { field.o.not_before, field.o.valid_until, field.o.max_attempts }

function record_of.decode(body)
  if #body > LARGEST_RECORD then return nil end
  local readable, record = pcall(cjson.decode, body)
  if readable and type(record) == 'table' and record.v == 1 then return record end
  return nil
end

-- Why fields are not what they may be, or nil.
local function wrong(fields_of, known)
  for name, value in pairs(fields_of) do
    if type(value) ~= 'string' then return 'the record holds a field that is not text' end
    if not known[name] then return 'the record holds a field that this worker does not know' end
    if #value > known[name] then return 'the record holds a field that is too long' end
  end
end

local function lacks(fields_of, needed)
  for _, name in ipairs(needed) do
    if fields_of[name] == nil then return true end
  end
  return false
end

-- Of the rows of a record that came too late for its campaign: { id, to, key or '' } of those that no earlier one brought.
function record_of.unreached(record)
  local unreached = {}
  local function fits(value, name) return type(value) == 'string' and #value <= ROW[name] end
  for place, row in ipairs(type(record.rows) == 'table' and record.rows or {}) do
    if place > MOST_ROWS then break end
    local whole = type(row) == 'table' and fits(row.id, 'id') and fits(row.to, 'to')
    if whole and redis.call('EXISTS', key.operation(row.id)) == 0 then
      unreached[#unreached + 1] = { row.id, row.to, fits(row.row_key, field.o.row_key) and row.row_key or '' }
    end
  end
  return unreached
end

local function number_of_rows(record)
  if type(record.rows) ~= 'table' then return 0 end
  local number = 0
  for _ in pairs(record.rows) do number = number + 1 end
  return number == #record.rows and number or 0
end

-- The campaign that a record was written for, or nil: none, or an unknown campaign.
function record_of.campaign(held)
  local name = held.campaign
  if not name or name == '' or string.find(name, '[:%c]') then return nil end
  return campaign.of(name).account and name or nil
end

-- What concerns the record as a whole: its account, sender, campaign and count are those it was written under.
local function objection_to_whole(record, held, name)
  if type(record.sender) ~= 'string' or not string.match(record.sender, '^%+%d+$') or #record.sender > COMMON[field.o.sender] then
    return 'the record is incomplete'
  end
  if record.priority ~= 't' and record.priority ~= 'b' then return 'the record is incomplete' end
  if record.account ~= nil and record.account ~= held.account then return 'the record names another account' end
  local number = number_of_rows(record)
  if number == 0 or number > MOST_ROWS then return 'the record holds no rows, or too many' end
  if tostring(number) ~= held.count then return 'the record does not hold as many rows as it says' end
  local senders = record_of.senders(held.account)
  if senders and not string.find(senders, ' ' .. record.sender .. ' ', 1, true) then
    return 'the account lists its senders, and the record names another'
  end
  if not name then return nil end
  if not record_of.campaign(held) then return 'its campaign is not known' end
  local c = campaign.of(name)
  if c.account ~= held.account or c.sender ~= record.sender then return 'its campaign is of another account or sender' end
end

local function objection_to_common(record, held)
  local common = record.common
  if common == nil then return not record.campaign and 'the record is incomplete' or nil end
  if type(common) ~= 'table' then return 'the record holds a field that is not text' end
  local why = wrong(common, COMMON)
  if why or record.campaign then return why or next(common) and 'the record repeats a field of its campaign' or nil end
  if lacks(common, NEEDED_OF_COMMON) then return 'the record is incomplete' end
  if common.account ~= held.account or common.sender ~= record.sender or common.priority ~= record.priority then
    return 'the record contradicts itself'
  end
end

-- Whether a text is a JSON object of texts. The stream of outcomes hands metadata to every reader.
local function is_object_of_texts(text)
  local readable, object = pcall(cjson.decode, text)
  if not readable or type(object) ~= 'table' or not string.find(text, '^%s*{') then return false end
  for _, value in pairs(object) do
    if type(value) ~= 'string' then return false end
  end
  return true
end

local function objection_to_row(row, common)
  if type(row) ~= 'table' then return 'the record holds a field that is not text' end
  local why = wrong(row, ROW)
  if why then return why end
  if lacks(row, NEEDED_OF_ROW) then return 'a row of the record lacks its id, target or payload' end
  if not string.match(row.id, '^[%w_-]+$') or not string.match(row.to, '^[%w+@._-]+$') then
    return 'a row of the record has an id or a target of a form that does not exist'
  end
  if row.follows and redis.call('EXISTS', key.operation(row.follows)) == 0 then
    return 'operation ' .. string.gsub(row.follows, '[^%w_-]', '?') .. ', its predecessor, is unknown or was deleted after its retention time'
  end
  if row.follows and not (row.valid_until or common.valid_until) then return 'a row of the record follows itself' end
  if row.exempt and common.priority ~= 't' then return 'a row of the record is exempt from suppression, and not transactional' end
  if row.metadata and not is_object_of_texts(row.metadata) then return 'a row of the record has metadata that is no JSON object of texts' end
  for _, name in ipairs(TIMES) do
    if not string.match(row[name] or common[name] or '0', '^%d+$') then return 'a row of the record holds a time that is no number' end
  end
end

-- Whether the zones of a row are known to its campaign; each set is asked for once.
local known_zones = {}
local function wrong_zone(row, name)
  local zoned = name and campaign.of(name).zoned
  if not zoned then return row.zones and 'a row of the record has zones, and its campaign has no hours of its recipients' or nil end
  if not row.zones then return 'a row of the record has no zones, and its campaign has the hours of its recipients' end
  if known_zones[row.zones] == nil then
    known_zones[row.zones] = redis.call('HEXISTS', key.campaign(name) .. ':z', row.zones .. ':words') == 1
  end
  return not known_zones[row.zones] and 'a row of the record has zones that its campaign does not know' or nil
end

-- A row may name one of the several senders of its campaign: a deletion leaves from the number that sent the message.
local function wrong_sender(row, name)
  if not row.sender then return nil end
  local senders = name and campaign.of(name).weighted_senders
  if senders and string.find(' ' .. senders, ' ' .. row.sender .. ':', 1, true) then return nil end
  return 'a row of the record names a sender that its campaign does not have'
end

-- The senders that an account lists, between spaces, or nil. Read once for each account of a run.
local senders_of = {}
function record_of.senders(account)
  if senders_of[account] == nil then
    local listed = redis.call('HGET', key.about(account), 'senders')
    senders_of[account] = listed and listed ~= '' and ' ' .. listed .. ' ' or false
  end
  return senders_of[account]
end

-- Why a record cannot be taken, or nil. `held` is what it was written with, `a` its account, `name` its campaign.
function record_of.objection(record, held, a, name)
  if record and record_of.campaign(held) and campaign.of(name).hold == 'cancelled' then return record_of.CANCELLED end
  if #held.body > LARGEST_RECORD then return 'the record is too large' end
  if not record then return 'the record is not of a version this worker reads' end
  if not a then return 'the account was removed' end
  local why = objection_to_whole(record, held, name) or objection_to_common(record, held)
  if why then return why end
  for _, row in ipairs(record.rows) do
    why = objection_to_row(row, record.common or {}) or wrong_zone(row, name) or wrong_sender(row, name)
    if why then return why end
  end
end

-- How many operations a record counts as in the books; a record that no Outbox wrote may say anything.
function record_of.counted(held)
  return held.count and string.match(held.count, '^%d%d?%d?%d?$') and tonumber(held.count) or 0
end

-- Errors that say something of the server, not of a record: they end the script, and the record is read again later.
local OF_THE_SERVER = { 'OOM', 'MISCONF', 'READONLY', 'NOREPLICAS', 'NOPERM', 'MASTERDOWN', 'CLUSTERDOWN', 'LOADING' }

-- Run a function; its results, or nil when a record broke it.
function record_of.guarded(run, ...)
  local results = { pcall(run, ...) }
  if results[1] then return results end
  local words = type(results[2]) == 'table' and (results[2].err or '') or tostring(results[2])
  for _, word in ipairs(OF_THE_SERVER) do
    if string.find(words, word, 1, true) then error(results[2], 0) end
  end
  return nil
end
