-- Operations: read one, count it, tell its story.
--
--   waiting --grant--> granted --begin--> sending --settle--> settled
--      ^                  |                  |
--      +---- give_back ---+---- defer, retry, step, look up -+        (the head of its lane, or a timer)
--
-- lua/fields.lua names the fields of an operation, and tells the values of `state` and of `look_up`.
--@include keys.lua
--@include shared/campaigns.lua
-- A granted operation that nobody begins goes back to its lane this long after its slot.
local GRANT_LEASE = 5000000
-- Looked up in vain so often (the provider did not answer), an operation is held.
local MOST_LOOKS = 20
-- So often a history is looked at that shows nothing of the sender's after the call.
local STALE_LOOKS = 4
-- A group shows in its sender's list minutes after it was made.
local GROUP_PATIENCE = 12
-- An operation whose call ended so many workers is sent no more: perhaps it ends them. A look-up that does so counts
-- as many.
local MOST_LOST, LOST_LOOK = 3, 7

-- The bulk source in whose turn it leaves. A look-up sends nothing, so no campaign holds it back.
local function source_of(o) return o.campaign and not o.look_up and o.campaign or '-' end

local function load_operation(id)
  local o = whole(key.operation(id))
  if not o.state then return nil end
  o.id, o.key = id, key.operation(id)
  if o.campaign then
    local common = campaign.of(o.campaign)
    for _, name in ipairs(COMMON_FIELDS) do o[name] = o[name] or common[name] end
    if not o.account or not o.sender then return nil end  -- its campaign was deleted
  end
  o.source = source_of(o)
  o.lane = key.lane(o.account, o.sender)
  o.pair = (o.priority == 't' and 't' or 'b:' .. (o.campaign or '-')) .. '|' .. o.to
  return o
end

-- Whether a budget may concern an operation; most are about kinds that are rare.
local function has_budget(a, o)
  if o.kind == 'number.check' then return true end
  return a.budgets ~= nil and (string.find(a.budgets, '*', 1, true) or string.find(a.budgets, o.kind, 1, true)) ~= nil
end

local function count(o, what, by)
  redis.call('HINCRBY', key.account(o.account) .. ':n', what, by)
  if o.campaign then campaign.add(o.campaign, what, by) end
end

-- A message or group at the provider is this operation's: no look-up of another one takes it.
local function claim(o, uuid, retention_ms)
  if uuid and uuid ~= '' then redis.call('SET', key.claim(uuid), o.id, 'PX', retention_ms) end
end

local story = {}
seldom(story, function()
  -- What happened to an operation is told in up to so many characters; of a long story the middle is left out.
  local STORY_KEPT, STORY_HEAD = 6000, 1000

  -- The first bytes of a text, without half a character at the end.
  local function cut(text, most)
    if #text <= most then return text end
    return (string.gsub(string.sub(text, 1, most), '[\192-\255][\128-\191]*$', ''))
  end

  -- Add a line to an operation's story: when, what, the provider's code, words.
  function story.tell(o, now, what, code, words)
    local line = int(now) .. '|' .. what .. '|' .. (code or '') .. '|' .. cut(words or '', 160)
    o.story = o.story and (o.story .. '\n' .. line) or line
    if #o.story > STORY_KEPT then
      local head = string.match(string.sub(o.story, 1, STORY_HEAD), '^(.*)\n') or ''
      o.story = head .. '\n' .. (string.match(string.sub(o.story, STORY_HEAD - STORY_KEPT), '\n(.*)$') or line)
    end
    redis.call('HSET', o.key, field.o.story, o.story)
  end
end)
