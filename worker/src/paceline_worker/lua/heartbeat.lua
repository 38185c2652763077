-- Register a worker: what it takes on, what it measured; drop workers that fell silent; and say who grants.
--
-- KEYS  1 root
-- ARGV  1 worker, 2 capacity: operations it may have in flight ('' to leave the fleet), 3 time to live (us),
--       4 how long a call takes, 5 how much CPU one needs (us), 6 intake: operations it takes on now, its capacity at the most,
--       7 the way from a grant to its call, at least, 8 lateness of its operations (us),
--       9 how long it wants to be the granter (us; 0: not at all), 10 that way at the most (us)
--       4 to 8 and 10 as it measured (0: not measured); 4 to 10 may be left out
--       of state with several shards also: 11 how many, 12 operations in flight on those that it grants for ("<shard>:<number> ...")
-- reply { server time, capacity of the fleet, its intake, workers, '1' when this worker grants, until when somebody does (us; 0 nobody),
--         mean CPU of a call (us; 0 not measured), until when this worker's last heartbeat said that it lives (us; '' unknown),
--         its rank: how many others stand by whose names come before its own }
--       of state with several shards also: hop, lead (us), { shards that this worker grants for }, { operations in flight on each shard, as
--       told last }, { workers that live }; it grants when it has one, and `until when somebody does` is the end of the first lease of others
-- keys  workers, meta, leases
-- Shards are shared evenly by the workers that beat lately: whoever has more than a share gives back, whoever has less takes what is free.
-- One worker grants at a time: the others wait until its time is over, so a large fleet asks no more than a small one. Two at a time
-- would do no harm. The first by rank watch the granter; the others ask more rarely.
--@include keys.lua
local now = server_time()
local me = ARGV[1]
local known = redis.call('HMGET', key.meta, 'granter', 'granter_until')
local granter, granter_until = known[1], tonumber(known[2] or 0)
local shards = tonumber(ARGV[11] or 1)
local leases = root .. ':leases'
-- A way that takes longer is late in any case.
local LONGEST_WAY, SHORTEST_HOP, SHORTEST_LEAD, MARGIN = 1000000, 20000, 250000, 100000
local MOST_AHEAD = 60000000

-- A time that is over, or further away than any worker says: the server's clock was set back since.
local function over(t) return t < now or t > now + MOST_AHEAD end

local all = redis.call('HGETALL', key.workers)
local rows, before = {}, nil
for i = 1, #all, 2 do
  if all[i] == me then before = string.match(all[i + 1], '^%d+|(%d+)') else rows[all[i]] = all[i + 1] end
end

if ARGV[2] == '' then
  redis.call('HDEL', key.workers, me)
  if granter == me then redis.call('HDEL', key.meta, 'granter', 'granter_until') end
else
  local measured = { ARGV[4] or '0', ARGV[5] or '0', ARGV[6] or ARGV[2], ARGV[7] or '0', ARGV[8] or '0', ARGV[10] or '0' }
  rows[me] = ARGV[2] .. '|' .. int(now + tonumber(ARGV[3])) .. '|' .. table.concat(measured, '|')
  redis.call('HSET', key.workers, me, rows[me])
end

-- A worker that beat so lately wants its share of the shards.
local awake, awake_until = 0, now + tonumber(ARGV[3]) - tonumber(ARGV[9] or 0)
local total, intake, workers, rank, way, longest_way, cpu, measured = 0, 0, 0, 0, 0, 0, 0, 0
for name, row in pairs(rows) do
  local capacity, expires, cost, own, usual, most = string.match(row, '^(%d+)|(%d+)|?%d*|?(%d*)|?(%d*)|?(%d*)|?%d*|?(%d*)')
  if over(tonumber(expires)) then
    redis.call('HDEL', key.workers, name)
    rows[name] = nil
  else
    if tonumber(expires) >= awake_until then awake = awake + 1 end
    -- One of the previous release tells less.
    total, intake, workers = total + tonumber(capacity), intake + (tonumber(own) or tonumber(capacity)), workers + 1
    way, longest_way = math.max(way, tonumber(usual) or 0), math.max(longest_way, tonumber(most) or 0)
    if (tonumber(cost) or 0) > 0 then cpu, measured = cpu + tonumber(cost), measured + 1 end
    if name < me and name ~= granter then rank = rank + 1 end
  end
end

local wanted = ARGV[2] ~= '' and tonumber(ARGV[9] or 0) or 0
local hop = math.min(LONGEST_WAY, math.max(SHORTEST_HOP, way))
local lead = math.min(LONGEST_WAY, math.max(SHORTEST_LEAD, longest_way + MARGIN))

local function beat_of_shards()
  local mine, free, loads, next_over, own, holders = {}, {}, {}, nil, {}, {}
  for shard, number in string.gmatch(ARGV[12] or '', '(%d+):(%d+)') do own[shard] = number end
  local known = whole(leases)
  for shard = 0, shards - 1 do
    local holder, ends, load = string.match(known[tostring(shard)] or '', '^(.*)|(%d+)|(%d+)$')
    loads[shard + 1] = tonumber(own[tostring(shard)] or load or 0)
    if holder then holders[holder] = true end
    if holder == me then
      mine[#mine + 1] = shard
    elseif not holder or over(tonumber(ends) - 1) then
      free[#free + 1] = shard
    elseif not next_over or tonumber(ends) < next_over then
      next_over = tonumber(ends)
    end
  end

  local share = wanted > 0 and math.ceil(shards / math.max(1, awake)) or 0
  while #mine > share do redis.call('HDEL', leases, tostring(table.remove(mine))) end
  for _, shard in ipairs(free) do
    if #mine >= share then break end
    mine[#mine + 1] = shard
  end
  local flat = {}
  for _, shard in ipairs(mine) do
    flat[#flat + 1] = tostring(shard)
    flat[#flat + 1] = me .. '|' .. int(now + wanted) .. '|' .. int(loads[shard + 1])
  end
  if #flat > 0 then redis.call('HSET', leases, unpack(flat)) end
  local standing_by, living = 0, {}
  for name in pairs(rows) do
    living[#living + 1] = name
    if name < me and not holders[name] then standing_by = standing_by + 1 end
  end
  return {
    int(now), total, intake, workers, #mine > 0 and '1' or '0', int(next_over or 0), measured > 0 and int(cpu / measured) or 0, before or '',
    standing_by, int(hop), int(lead), mine, loads, living,
  }
end
if shards > 1 then return beat_of_shards() end

if wanted > 0 and (granter == me or over(granter_until - 1)) then
  granter, granter_until = me, now + wanted
  redis.call('HSET', key.meta, 'granter', me, 'granter_until', int(granter_until), 'hop', int(hop), 'lead', int(lead))
end
return { int(now), total, intake, workers, granter == me and granter_until > now and '1' or '0', int(granter_until), measured > 0 and int(cpu / measured) or 0, before or '', rank }
