-- What all accounts of a shard share, read once per script run.
--@include keys.lua
local shared = fields(key.meta, {
  'epoch', 'jumps', 'run_id', 'hop', 'lead', 'pb_until', 'pb_probe', 'pb_opened', 'pb_bad', 'pb_window', 'sup',
})
local function meta() return shared end

-- How long the way from a grant to the call takes at least: the fleet measures it and writes it down with its heartbeat. A slot
-- that is not bound by the bucket lies this far ahead; what needs longer moves (begin.lua), what needs less would wait in vain.
local HOP = tonumber(shared.hop or 40000)
-- Grants run ahead of their slots by the lead, so that the way costs no pace: as long as the way takes at the most.
local LEAD = math.max(tonumber(shared.lead or 250000), HOP)
-- No operation waits longer than this for its slot once it was granted; an operation that would have to goes back to its lane.
local FAR = 2000000

-- The timers index: a dispatcher attends to its member at a time, or earlier. `first` is the earliest time that this script wrote.
local timers = { first = nil }
function timers.set(member, at)
  redis.call('ZADD', key.timers, 'LT', int(at), member)
  if not timers.first or at < timers.first then timers.first = at end
end

local function current_epoch() return shared.epoch or '0' end

-- How often the server's clock was found to have jumped: a slot of before a jump means nothing after it.
local function current_jumps() return shared.jumps or '0' end

-- The epoch for scripts that take slots. A server process that is not the one we knew may have forgotten its last slots (with
-- `appendfsync everysec`), so every bucket starts empty. INFO costs more than the rest of a look: callers ask for it once a
-- second, and on each new connection, because no connection outlives the server process. Returns the epoch, and '1' when a restart
-- was just noticed.
local function checked_epoch(check)
  if not check then return current_epoch(), '0' end
  -- A managed server may forbid INFO, and then does not tell of restarts.
  local info = redis.pcall('INFO', 'server')
  local run_id = type(info) == 'string' and string.match(info, 'run_id:(%x+)') or ''
  local known = shared.run_id
  if run_id == '' then return current_epoch(), '0' end
  if known == run_id then return current_epoch(), '0' end
  redis.call('HSET', key.meta, 'run_id', run_id)
  shared.run_id = run_id
  if not known then return current_epoch(), '0' end
  shared.epoch = int(redis.call('HINCRBY', key.meta, 'epoch', 1))
  return shared.epoch, '1'
end
