-- What the provider's receipts say of a message: forward only, whatever their order and however often they come.
--
--   accepted -> sent -> not sent -> received -> read        any of them may be left out; the last one told is the message's state
--
-- Of each, o:<id> has the time that was told first: `xs` sent, `xn` not sent, `xd` received, `xr` read. "Not sent" stands below "received"
-- because what somebody has received was sent; told after it, it is not believed. A receipt never touches an outcome.
-- The counts in a:<acct>:rc and c:<name> (there as `receipt_<status>`) are of messages: sent and not known to have failed, not sent,
-- at least received, read.
--@include keys.lua
--@include shared/entry.lua
-- So long a receipt waits for its message (us).
local EARLY = 600000000
local receipt = {}
seldom(receipt, function()
  receipt.STATUSES = { 'sent', 'not_sent', 'received', 'read' }
  local TOLD_AT = { sent = field.o.sent_at, not_sent = field.o.not_sent_at, received = field.o.received_at, read = field.o.read_at }
  -- What an entry of the streams of outcomes calls them.
  local EVENTS = { sent = 'sent', not_sent = 'not_sent', received = 'delivered', read = 'read' }
  -- So many receipts wait for their message, of one account; beyond it the first ones go: the real ones wait for
  -- the answer of a call, which is soon there.
  local MOST_EARLY = 10000

  local function counted(o)
    local received = o.received_at or o.read_at
    local failed = o.not_sent_at and not received
    return { sent = not failed and (o.sent_at or received), not_sent = failed, received = received, read = o.read_at }
  end

  -- SMS has none; what is not a message has none either, though it may have a handle of the provider.
  local function has_receipts(kind)
    return kind ~= 'message.delete' and (string.sub(kind, 1, 8) == 'message.' or string.sub(kind, 1, 5) == 'waba.')
  end

  -- Into the streams that tell of its outcome. A receiver whose server user may not write there goes on without.
  local function announce(id, account, o, kind, status, at)
    local told = {
      'id', id, 'account', account, 'campaign', o.campaign or '', 'kind', kind, 'outcome', o.outcome or 'accepted', 'code', '', 'message_uuid', o.handle or '',
      'words', '', 'accepted_at_us', o.accepted_at, 'settled_at_us', int(at), 'v', entry.VERSION, 'event', EVENTS[status],
    }
    entry.add_given(told, o)
    redis.pcall('XADD', key.outcomes, 'MAXLEN', '~', entry.MOST_KEPT, '*', unpack(told))
    -- A record that expired with its campaign is not made again.
    if o.campaign and redis.call('EXISTS', key.campaign(o.campaign) .. ':out') == 1 then
      redis.pcall('XADD', key.campaign(o.campaign) .. ':out', '*', unpack(told))
    end
  end

  -- Note what one receipt tells of an operation: 'moved' | 'known' | 'unknown' (no message of this account, or deleted).
  function receipt.note(account, id, status, at, now)
    local o = fields(key.operation(id), { field.o.account, field.o.campaign, field.o.kind, field.o.accepted_at, field.o.follows, field.o.sent_at, field.o.not_sent_at, field.o.received_at, field.o.read_at, field.o.outcome, field.o.handle, 'to', field.o.idempotency_key, field.o.row_key, field.o.metadata })
    local common = o.campaign and fields(key.campaign(o.campaign), { field.c.account, field.c.kind }) or {}
    local kind = o.kind or common.kind or ''

    if not o.accepted_at or (o.account or common.account) ~= account then return 'unknown' end
    -- An account of the same name that was added later has no trace of the message, and has not counted it.
    if tonumber(o.accepted_at) < tonumber(redis.call('HGET', key.about(account), 'added_at') or 0) then return 'unknown' end
    -- The message that was deleted has the same handle.
    if kind == 'message.delete' and o.follows then return receipt.note(account, o.follows, status, at, now) end
    if not has_receipts(kind) then return 'unknown' end

    local field = TOLD_AT[status]
    if o[field] or (status == 'not_sent' and (o.received_at or o.read_at)) then return 'known' end

    -- What no clock can have said is replaced by the time it came.
    if not at or at < tonumber(o.accepted_at) or at > now then at = now end
    local before = counted(o)
    redis.call('HSET', key.operation(id), field, int(at))
    o[field] = at
    announce(id, account, o, kind, status, at)

    local after = counted(o)
    for _, name in ipairs(receipt.STATUSES) do
      local by = (after[name] and 1 or 0) - (before[name] and 1 or 0)
      if by ~= 0 then
        redis.call('HINCRBY', key.account(account) .. ':rc', name, by)
        if o.campaign then redis.call('HINCRBY', key.campaign(o.campaign), 'receipt_' .. name, by) end
      end
    end
    return 'moved'
  end

  -- Whether a message may be under way whose handle nobody knows yet; of calls it asks for those of all accounts, one key that a
  -- receiver may read.
  function receipt.may_be_early(account)
    local k = key.account(account)
    return redis.call('EXISTS', k .. ':tm', k .. ':held', key.in_flight) > 0
  end

  -- Keep one whose message has no handle yet. `early` says until when there may be any, of whichever account, so that
  -- settling costs next to nothing where there are none.
  function receipt.keep(account, uuid, status, now)
    local early = key.account(account) .. ':er'
    redis.call('ZREMRANGEBYSCORE', early, '-inf', int(now - EARLY))
    redis.call('ZADD', early, 'NX', int(now), uuid .. '|' .. status)
    local over = redis.call('ZCARD', early) - MOST_EARLY
    if over > 0 then redis.call('ZPOPMIN', early, over) end
    redis.call('PEXPIRE', early, EARLY / 1000)
    redis.call('SET', key.early, int(now + EARLY), 'PX', EARLY / 1000)
  end

  -- A message has its handle now: note what came before it, and tell a receiver to count that.
  function receipt.catch_up(account, id, uuid, now)
    local early, members = key.account(account) .. ':er', {}
    for i, status in ipairs(receipt.STATUSES) do members[i] = uuid .. '|' .. status end
    local came = redis.call('ZMSCORE', early, unpack(members))
    for i, status in ipairs(receipt.STATUSES) do
      local at = tonumber(came[i] or nil)
      if at then
        redis.call('ZREM', early, members[i])
        if at > now - EARLY and receipt.note(account, id, status, at, now) == 'moved' then
          redis.call('HINCRBY', key.receipts, status .. '|' .. account, 1)
        end
      end
    end
  end
end)
