-- How bulk sources share a lane.
--
-- Start-time fair queueing: a source stands in l:<acct>:<sender>:w with a tag; the smallest tag has the turn, and a turn adds the source's
-- stride, which is the smaller the greater its weight. A source that comes (back) enters with the smallest tag there is: what it did
-- not use is gone. A source without work stays until its tag comes up, so that coming back soon wins nothing.
--@include keys.lua
local source = {}
seldom(source, function()
  local STRIDE = 1000000

  function source.stride(weight) return math.floor(STRIDE / tonumber(weight or 1)) end

  -- Into the rotation, unless it is there.
  function source.enter(lane, name)
    local first = redis.call('ZRANGE', lane .. ':w', 0, 0, 'WITHSCORES')[2]
    redis.call('ZADD', lane .. ':w', 'NX', int(tonumber(first or 0)), name)
  end

  function source.leave(lane, name) redis.call('ZREM', lane .. ':w', name) end

  -- The source whose turn it is, or nil.
  function source.first(lane) return redis.call('ZRANGE', lane .. ':w', 0, 0)[1] end

  -- It had a turn (`turns` 1), or gave one back (-1). A turn that is given back after the source left and came back wins nothing.
  function source.served(lane, name, weight, turns)
    local tag = redis.call('ZADD', lane .. ':w', 'XX', 'INCR', turns * source.stride(weight), name)
    if tag and tonumber(tag) < 0 then redis.call('ZADD', lane .. ':w', 'XX', 0, name) end
  end
end)
