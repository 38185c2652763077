-- What counts of the times at which a number had bulk messages of an account.
--@include keys.lua
local contacted = {}
seldom(contacted, function()
  -- Of times (s) as they are kept, oldest first, those that are later than a time (us).
  function contacted.times(text, since)
    local times = {}
    for second in string.gmatch(text or '', '%d+') do
      if tonumber(second) * 1000000 > since then times[#times + 1] = second end
    end
    return times
  end

  -- Why there must not be another message at a time (us): 'recent', the last one was within `silence` us; 'cap', there were as many as `limit`
  -- ('<number>:<us>') allows; or nil.
  function contacted.objection(times, at, silence, limit)
    local last = times[#times]
    if silence and last and tonumber(last) * 1000000 > at - tonumber(silence) then return 'recent' end
    local n, period = string.match(limit or '', '(%d+):(%d+)')
    local first = n and times[#times - tonumber(n) + 1]
    return first and tonumber(first) * 1000000 > at - tonumber(period) and 'cap' or nil
  end
end)
