-- Circuit breakers: one per account, one for the provider. `breaker.py` is the same in Python, and one
-- property test holds them together.
--
-- A share of the last calls decides, also on the way back. An account's breaker opens after 6 failures in a row, or 15 among its last
-- 20 calls; the provider's after 18 among the last 20 calls of all accounts, when they are of 3 accounts at least. While one is open
-- nothing leaves but one probe at a time, after 5, 10, 20 ... 60 s. A probe that is answered closes it; the account then goes on
-- with 25, 50 and 100 % of its rate, 5 calls each. So failures that have nothing to do with each other cost little.
--
-- Fields of a:<acct>: `breaker` 'open' | 'ramp', `opened` how often in a row, `bad_run`, `bad_window` ('1' a failure, '0' none),
--                     `ramp` factor of the interval, `ramp_left` calls until the next stage
-- Fields of meta:     `pb_until` end of the pause, `pb_probe` the operation that probes, `pb_opened`, `pb_window` its last calls,
--                     `pb_bad` accounts that failed among them
--@include keys.lua
--@include shared/meta.lua
local breaker = {}
-- Whether there may be anything to know of the provider's breaker: failures among its last calls, or a pause. Most calls of scripts
-- find nothing, and ask for nothing more.
local breaker_awake = shared.pb_until ~= nil or shared.pb_window ~= nil
seldom(breaker, function()
  breaker_awake = true

  local RUN, WINDOW, SHARE = 6, 20, 15
  local PROVIDER_SHARE, ACCOUNTS = 18, 3
  local FIRST_PAUSE, LONGEST_PAUSE = 5000000, 60000000
  local FIRST_RAMP, RAMP_CALLS = 4, 5
  -- A probe of the provider that nobody answers for must not keep it closed.
  local PROBE_PATIENCE = 30000000

  -- Up to a fifth shorter, so that breakers which opened together do not probe together.
  local function pause_for(opened, now)
    return math.floor(math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ^ (opened - 1)) * (1 - (now % 1000) / 5000))
  end

  -- The provider's breaker.
  local provider = nil
  function breaker.provider()
    if not provider then
      local m = meta()
      provider = { pause_end = tonumber(m.pb_until), opened = tonumber(m.pb_opened or 0), pb_probe = m.pb_probe, pb_bad = m.pb_bad, calls = m.pb_window }
    end
    return provider
  end

  -- How many operations the provider's breaker lets leave now, of `room`. While it is open grant.lua looks at no account, so nothing
  -- is moved in the due index when it opens or closes, however many accounts wait.
  function breaker.room(room, now)
    local p = breaker.provider()
    if not p.pause_end then return room end
    if p.pause_end > now then return 0 end
    return math.min(room, 1)
  end

  -- When calls that belong to no operation (figures, users of `limits`) may leave while it is open: when nothing has probed for a
  -- while, because there is nothing to probe with.
  function breaker.others_from()
    local p = breaker.provider()
    return p.pause_end and p.pause_end + PROBE_PATIENCE or 0
  end

  -- Whether an operation granted before it opened must stay.
  function breaker.bars(id, now)
    local p = breaker.provider()
    return p.pause_end ~= nil and p.pause_end > now and p.pb_probe ~= id
  end

  -- An operation was granted while the provider's breaker is open: it is the probe.
  function breaker.probing(id, now)
    local p = breaker.provider()
    if not p.pause_end then return end
    p.pb_probe, p.pause_end = id, now + PROBE_PATIENCE
    redis.call('HSET', key.meta, 'pb_probe', id, 'pb_until', int(p.pause_end))
  end

  -- The probe was not sent after all: the next operation may be it.
  function breaker.not_probed(id, now)
    local p = breaker.provider()
    if not p.pause_end or p.pb_probe ~= id then return end
    p.pb_probe, p.pause_end = nil, now
    redis.call('HDEL', key.meta, 'pb_probe')
    redis.call('HSET', key.meta, 'pb_until', int(now))
  end

  local function open_provider(p, now)
    p.opened = math.min(p.opened + 1, 10)
    p.pause_end, p.pb_probe, p.pb_bad, p.calls, p.changed = now + pause_for(p.opened, now), nil, nil, nil, nil
    redis.call('HDEL', key.meta, 'pb_probe', 'pb_bad', 'pb_window')
    redis.call('HSET', key.meta, 'pb_until', int(p.pause_end), 'pb_opened', int(p.opened))
  end

  -- The last calls, with one more.
  local function shifted(calls, failed) return string.sub((calls or '') .. (failed and '1' or '0'), -WINDOW) end
  local function failures(calls) return select(2, string.gsub(calls, '1', '')) end

  local function note_provider(name, id, good, now)
    local p = breaker.provider()
    if p.pause_end then
      if p.pb_probe ~= id then return end
      if not good then return open_provider(p, now) end
      redis.call('HDEL', key.meta, 'pb_until', 'pb_probe', 'pb_opened')
      p.pause_end, p.pb_probe, p.opened = nil, nil, 0
      return
    end
    if good and not p.calls then return end
    p.calls, p.changed = shifted(p.calls, not good), true
    if not good and not string.find(' ' .. (p.pb_bad or '') .. ' ', ' ' .. name .. ' ', 1, true) then
      local _, known = string.gsub(p.pb_bad or '', '%S+', '')
      if known < ACCOUNTS then p.pb_bad = p.pb_bad and (p.pb_bad .. ' ' .. name) or name end
    end
    local _, accounts = string.gsub(p.pb_bad or '', '%S+', '')
    if accounts >= ACCOUNTS and failures(p.calls) >= PROVIDER_SHARE then open_provider(p, now) end
  end

  -- Write down what the calls of this script said about the provider, at its end. After good ones only there is nothing to write.
  function breaker.save()
    local p = breaker.provider()
    if not p.changed then return end
    if failures(p.calls) == 0 then
      redis.call('HDEL', key.meta, 'pb_window', 'pb_bad')
    else
      redis.call('HSET', key.meta, 'pb_window', p.calls, 'pb_bad', p.pb_bad or '')
    end
  end

  local function forget_failures(a)
    a.bad_run, a.bad_window = nil, nil
    redis.call('HDEL', a.key, 'bad_run', 'bad_window')
  end

  -- One more call on the way back, whatever its result.
  local function climb(a)
    local left = tonumber(a.ramp_left or 1) - 1
    a.ramp_left = left
    if left > 0 then
      redis.call('HSET', a.key, 'ramp_left', left)
    elseif a.ramp > 2 then
      a.ramp, a.ramp_left = 2, RAMP_CALLS
      redis.call('HSET', a.key, 'ramp', 2, 'ramp_left', RAMP_CALLS)
    else
      a.breaker, a.ramp = nil, 1
      redis.call('HDEL', a.key, 'breaker', 'ramp', 'ramp_left', 'opened')
    end
  end

  local function note_good(a)
    if a.breaker == 'open' then
      a.breaker, a.ramp = 'ramp', FIRST_RAMP
      redis.call('HSET', a.key, 'breaker', 'ramp', 'ramp', FIRST_RAMP, 'ramp_left', RAMP_CALLS)
      return
    end
    if a.bad_window then
      a.bad_run, a.bad_window = 0, shifted(a.bad_window, false)
      if failures(a.bad_window) > 0 then
        redis.call('HSET', a.key, 'bad_run', 0, 'bad_window', a.bad_window)
      else
        forget_failures(a)
      end
    end
    if a.breaker == 'ramp' then climb(a) end
  end

  -- Returns true when the account's breaker opens (again): a probe that fails is enough for that.
  local function note_bad(a, now)
    a.bad_run = tonumber(a.bad_run or 0) + 1
    a.bad_window = shifted(a.bad_window, true)
    if a.breaker ~= 'open' and a.bad_run < RUN and failures(a.bad_window) < SHARE then
      redis.call('HSET', a.key, 'bad_run', a.bad_run, 'bad_window', a.bad_window)
      if a.breaker == 'ramp' then climb(a) end
      return false
    end
    forget_failures(a)
    a.opened = math.min(tonumber(a.opened or 0) + 1, 10)
    a.breaker, a.ramp = 'open', 1
    a.paused_until = math.max(a.paused_until, now + pause_for(a.opened, now))
    redis.call('HDEL', a.key, 'ramp', 'ramp_left')
    redis.call('HSET', a.key, 'breaker', 'open', 'opened', a.opened, 'paused_until', int(a.paused_until))
    return true
  end

  -- What a call of operation `id` says about the health of account and provider. Returns true when the account's breaker opens.
  -- The usual case, a good answer after good ones, costs nothing.
  function breaker.note(a, id, good, now)
    note_provider(a.name, id, good, now)
    if a.breaker == 'open' and a.paused_until > now then return false end  -- a call of before it opened
    if not good then return note_bad(a, now) end
    note_good(a)
    return false
  end
end)
