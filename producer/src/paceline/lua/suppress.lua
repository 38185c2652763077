-- Suppression lists: whom an account, or no account, must not write to.
--
-- KEYS  1 root
-- ARGV  1 verb, 2 account, or `*`: all accounts, then
--         add:    3 reason, 4 how many of the numbers are counted, 5 ... numbers: those first, then other forms of them
--         remove: 3 and 4 ... likewise
--         check:  3 ... numbers
--         page:   3 cursor ('0' first), 4 about how many
--         plan:   3 `silence` of a campaign or '', then of each row its number, and its ids in campaigns that are left out, or ''
--         size:   nothing more
-- reply add:    how many of the counted are new     remove: how many of them were there
--       check:  of each number { account or `*`, since when (s), reason }: the account's own entry before that of all; empty when none
--       page:   { next cursor ('0': that was all), { number, since when (s), reason } ... }
--       plan:   of each row why it would be left out now: 'campaign' | 'listed' | 'recent' | 'cap' | ''
--       size:   how many
--       or 'unknown account': there is neither the account nor a list of its name
-- keys  sup:<acct>, supwhy:<acct>, a:<acct>, meta, had:<acct> (read), o:<id> (read). Cost: O(numbers). Replayable; a repeated `add` says that nothing is new.
--@include listed.lua
--@include contacted.lua
local verb, name = ARGV[1], ARGV[2]
local every = name == EVERY_ACCOUNT
local home = every and key.meta or key.account(name)
local known = every or redis.call('EXISTS', home) == 1
if not known and redis.call('EXISTS', key.suppressed(name)) == 0 then return 'unknown account' end

local function from(first, last)
  local numbers = {}
  for i = first, last or #ARGV do numbers[#numbers + 1] = ARGV[i] end
  return numbers
end

local function shown(list, entry) return { list, tostring(tonumber(string.sub(entry, 1, 10))), listed.reason(list, entry) } end

if verb == 'add' then
  local new, first = listed.add(name, server_time(), ARGV[3], from(5), tonumber(ARGV[4]))
  if first and known then redis.call('HSET', home, 'sup', '1') end
  return new
elseif verb == 'remove' then
  local removed, empty = listed.remove(name, from(4), tonumber(ARGV[3]))
  if empty and known then redis.call('HDEL', home, 'sup') end
  return removed
elseif verb == 'check' then
  local numbers, found = from(3), {}
  local own = redis.call('HMGET', key.suppressed(name), unpack(numbers))
  local of_all = every and own or redis.call('HMGET', key.suppressed(EVERY_ACCOUNT), unpack(numbers))
  for i = 1, #numbers do
    found[i] = own[i] and shown(name, own[i]) or of_all[i] and shown(EVERY_ACCOUNT, of_all[i]) or {}
  end
  return found
elseif verb == 'plan' then
  local a, numbers, codes, now = fields(home, { field.a.listed, 'remember', field.a.recipient_limit }), {}, {}, server_time()
  for i = 4, #ARGV, 2 do numbers[#numbers + 1] = ARGV[i] end
  local function all_of(list) return redis.call('HMGET', list, unpack(numbers)) end
  local own = a.listed and all_of(key.suppressed(name)) or {}
  local of_all = redis.call('HEXISTS', key.meta, 'sup') == 1 and all_of(key.suppressed(EVERY_ACCOUNT)) or {}
  local lately = a.remember and all_of(key.contacts(name)) or {}
  local before = a.remember and all_of(key.contacts(name) .. ':old') or {}
  for i = 1, #numbers do
    local ids, text = ARGV[3 + 2 * i], lately[i] or before[i]
    local times = text and contacted.times(text, now - tonumber(a.remember)) or {}
    codes[i] = ids ~= '' and listed.elsewhere(ids) and 'campaign' or (own[i] or of_all[i]) and 'listed'
      or contacted.objection(times, now, tonumber(ARGV[3]), a.recipient_limit) or ''
  end
  return codes
elseif verb == 'page' then
  local cursor, flat = unpack(redis.call('HSCAN', key.suppressed(name), ARGV[3], 'COUNT', ARGV[4]))
  local page, reasons = { cursor }, {}
  for i = 1, #flat, 2 do
    local number = string.match(flat[i + 1], '^%d*', 11)
    reasons[number] = reasons[number] or listed.reason(name, flat[i + 1])
    page[#page + 1] = { flat[i], tostring(tonumber(string.sub(flat[i + 1], 1, 10))), reasons[number] }
  end
  return page
end
return redis.call('HLEN', key.suppressed(name))
