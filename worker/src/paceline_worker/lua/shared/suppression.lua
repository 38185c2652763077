-- Who must not be written to: the account's list and that of all accounts (suppress.lua). An account without lists costs no command; with
-- lists, each moment (acceptance, grant, begin) asks each list once.
--@include listed.lua
--@include shared/meta.lua
local suppression = {}

-- A check asks the provider, and a deletion takes back what was written.
local WRITES_NOTHING = { ['number.check'] = true, ['message.delete'] = true }

-- Whether a list may concern operations of a kind of the account: any is there, and such an operation writes to somebody.
function suppression.concerns_kind(a, kind) return (a.listed or meta().sup) and not WRITES_NOTHING[kind] end

-- Whether a list may concern an operation of the account: the operation also goes to a person, and is not exempt.
function suppression.concerns(a, to, kind, exempt)
  return suppression.concerns_kind(a, kind) and not exempt and string.byte(to) == 43
end

seldom(suppression, function()
  local WORDS = { [true] = 'its recipient is on the suppression list of all accounts', [false] = 'its recipient is on the suppression list of the account' }

  local function words_of(list, entry) return WORDS[list == EVERY_ACCOUNT] .. ': ' .. listed.reason(list, entry) end

  -- Of some numbers: place -> why nobody may write to that one.
  function suppression.of(a, numbers)
    local why = {}
    for _, list in ipairs({ a.listed and a.name or false, meta().sup and EVERY_ACCOUNT or false }) do
      local entries = list and redis.call('HMGET', key.suppressed(list), unpack(numbers)) or {}
      for i, entry in ipairs(entries) do
        if entry and not why[i] then why[i] = words_of(list, entry) end
      end
    end
    return why
  end

  -- Why an operation must not be sent, or nil. One whose last call has an unknown outcome is looked up all the same.
  function suppression.bars(a, o)
    if o.look_up or not suppression.concerns(a, o.to, o.kind, o.exempt) then return nil end
    return suppression.of(a, { o.to })[1]
  end

  -- A receiver said that the list of an account began or ended: it may not write the account itself.
  function suppression.note(name, a)
    redis.call('ZREM', key.timers, LISTED .. name)
    local there = redis.call('EXISTS', key.suppressed(name)) == 1
    if a then a.listed = there and '1' or nil end
    if not there then return redis.call('HDEL', key.account(name), field.a.listed) end
    if redis.call('EXISTS', key.account(name)) == 1 then redis.call('HSET', key.account(name), field.a.listed, '1') end
  end
end)
