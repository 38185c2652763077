-- Where the fields of an account are.
--
-- a:<acct> holds what sending needs, and nothing else: every grant, begin and settle reads it whole. What people and producers read is
-- in about:<acct>, secrets are in secret:<acct>. A field that is not there has its default: no quotas, no reserve, `treat_503`
-- overloaded.
--@include keys.lua
local PACE_FIELDS = {}
local HOMES = { key = key.secret, digest = key.secret, hook = key.hook }
for name in string.gmatch('interval quotas variation reserve budgets treat_503 window key_version info_every info_at recheck checks_left '
  .. 'pooled next floor last taken bulk_next epoch due aside learn least excess spread heard answered suspended suspended_at paused_until probe throttled slow slow_at '
  .. 'info_slot breaker opened ramp ramp_left bad_run bad_window sup remember rcap noted', '%S+') do PACE_FIELDS[name] = true end
local DEFAULTS = { quotas = '', reserve = '0', treat_503 = 'overloaded', info_every = '0', budgets = '', senders = '', learn = '', rcap = '', recipient_cap = '', keeps = '' }

local function home_of(name, field)
  if PACE_FIELDS[field] then return key.account(name) end
  return (HOMES[field] or key.about)(name)
end

-- Write a field of an account where it belongs; a field with its default is absent.
local function write_account(name, field, value)
  if value == DEFAULTS[field] then
    redis.call('HDEL', home_of(name, field), field)
  else
    redis.call('HSET', home_of(name, field), field, value)
  end
end
