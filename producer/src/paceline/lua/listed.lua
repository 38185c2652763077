-- Suppression lists: numbers that an account, or no account, must not write to. Each entry costs the same, however long its reason is.
--@include keys.lua
local listed = {}
seldom(listed, function()
  -- The number that a reason has in a list's entries.
  local function numbered(reasons, reason)
    local known = redis.call('HGET', reasons, '=' .. reason)
    if known then return known end
    local number = int(redis.call('HLEN', reasons) / 2 + 1)
    redis.call('HSET', reasons, '=' .. reason, number, number, reason)
    return number
  end

  -- The last entry is gone. A receiver may not delete keys.
  local function forget_reasons(reasons)
    local flat = redis.call('HGETALL', reasons)
    for i = 1, #flat, 2 do redis.call('HDEL', reasons, flat[i]) end
  end

  -- An entry: since when (s, ten digits), the number of its reason, and behind a bar when it was said last (s), if that was later.
  local function said_at(entry) return tonumber(string.match(entry, '|(%d+)$') or string.sub(entry, 1, 10)) end

  -- Put numbers on a list; those that are there keep since when and why, and note when it was said last. Returns how many of the first
  -- `counted` are new, and whether the list was empty.
  function listed.add(name, since, reason, numbers, counted)
    local list = key.suppressed(name)
    local known, flat = redis.call('HMGET', list, unpack(numbers)), {}
    local at, entry, new = string.format('%010.0f', math.floor(since / 1000000)), nil, 0
    for i, number in ipairs(numbers) do
      if not known[i] then
        entry = entry or at .. numbered(key.reasons(name), reason)
        flat[#flat + 1], flat[#flat + 2] = number, entry
        if i <= counted then new = new + 1 end
      elseif said_at(known[i]) < tonumber(at) then
        flat[#flat + 1], flat[#flat + 2] = number, string.match(known[i], '^%d+') .. '|' .. at
      end
    end
    if #flat == 0 then return 0, false end
    return new, redis.call('HSET', list, unpack(flat)) == redis.call('HLEN', list)
  end

  -- Take numbers off a list; with a time, only those of which it was last said until then. Returns how many of the first `counted` were there,
  -- and whether the list is empty now.
  function listed.remove(name, numbers, counted, until_then)
    local list, gone, removed = key.suppressed(name), {}, 0
    for i, entry in ipairs(redis.call('HMGET', list, unpack(numbers))) do
      if entry and not (until_then and said_at(entry) * 1000000 > until_then) then
        gone[#gone + 1] = numbers[i]
        if i <= counted then removed = removed + 1 end
      end
    end
    local empty = #gone > 0 and redis.call('HDEL', list, unpack(gone)) > 0 and redis.call('EXISTS', list) == 0
    if empty then forget_reasons(key.reasons(name)) end
    return removed, empty
  end

  -- The campaign that reached a recipient, or may still do so, or nil. `ids` holds the ids that the recipient would have in campaigns.
  local MISSED = { rejected = true, expired = true, cancelled = true, dead = true, suppressed = true }
  function listed.elsewhere(ids)
    for id in string.gmatch(ids, '%S+') do
      local state, outcome, name = unpack(redis.call('HMGET', key.operation(id), field.o.state, field.o.outcome, field.o.campaign))
      if state and not (state == 'd' and MISSED[outcome]) then return name or '' end
    end
    return nil
  end

  -- The reason of an entry.
  function listed.reason(name, entry) return redis.call('HGET', key.reasons(name), string.match(entry, '^%d+', 11) or '') or '' end
end)
