-- The one home of every Redis key name, included at the top of each script.
--
-- KEYS[1] is the root, `paceline:{0}`. Its braces are a Redis Cluster hash tag: all state of one shard lives in one slot, so
-- an account, its lanes and the due index change in one atomic script (docs/decisions/0001). Python knows the root only.
-- State of several shards has these keys under each root. On shard 0 alone are `directory`, `claim:`, workers, rings, unreachable, tokens,
-- session:, trail, public, and the key of the seals (docs/decisions/0066).
--
-- directory       hash    of a state with several shards: how many, and accounts that were moved (layout.lua)
-- claim:<what>    string  shard on which a name that is unique in the deployment is about to be written; expires
-- leases          hash    shard -> "worker|until (us)|in flight": which worker looks for due operations there (heartbeat.lua)
-- accounts        set     account names
-- keys            hash    keyed digest of an API key -> the account that has it; `?<acct>` for one whose digest cannot be there
-- due             zset    account -> server time (us) from which its slot may be granted; never later than that, perhaps earlier
-- timers          zset    account -> server time (us) at which its timers or its paused senders need attention; likewise. Also `><id>`:
--                         the operations that follow that one are to be released; `!<id>`: that one is to be cancelled; `=<acct>`: its suppression
--                         list began or ended
-- fl              zset    operation in flight -> lease expiry (us), of all accounts; its size is how many are in flight
-- inbox           zset    record id -> server time (us) of writing; a sweeper accepts what nobody accepted
-- in:<rid>        hash    one inbox record: account, campaign, count, body (JSON); removed by accept
-- no:<rid>        string  why a record was refused; expires
-- meta            hash    schema (of these keys), epoch (bucket generation), jumps (of the server's clock), run_id, sup (all accounts have a list),
--                         hop and lead (us, meta.lua), granter and granter_until (heartbeat.lua), pb_* the provider's breaker (breaker.lua),
--                         forgetting: who copies a stream, and until when (forget.lua)
-- workers         hash    worker -> "capacity|expires_us|latency_us|cpu_us|intake|way_us|lateness_us|longest_way_us" (heartbeat.lua)
-- unreachable     hash    worker that cannot reach the provider -> "expires_us|why" (unreachable.lua); expires
-- outcomes        stream  one entry per settled operation, trimmed (docs/outcomes.md)
-- receipts        hash    `<status>|<account>` -> receipts that came before their message's answer, for a receiver's metrics; taken by it
-- early           string  until when receipts may wait for their message (us); expires
-- campaigns       set     campaign names
-- tokens          hash    tokens of the HTTP gateway -> what they may do, and digests (JSON)
-- rings           hash    worker -> "expires_us|names of its secrets" (rotation.lua); expires
-- forgetting      stream  the copy of a stream without a number that is forgotten (forget.lua); expires
-- trail           stream  what people did, one entry per act (trail.lua); bounded by PACELINE_HISTORY_KEPT
-- public          string  the public key to which producers seal payloads (state/envelopes.py); absent while nobody encrypts
-- seals           hash    `key` the key of all seals, encrypted; `k:<acct>` the highest version of its API key, sealed (integrity/seals.py)
-- session:<digest> string a session of the console -> the token that opened it; expires
-- hooks           set     ids of webhooks out; hooks:runners zset runner -> until when it is there (ms)
-- wh:<id>         hash    a hook: where events go, its place in the stream, its lease; and under it the events that wait (hooks.lua)
-- signing:<id>    string  the sealed secrets of a hook
-- c:<name>        hash    campaign: template, common options, counts, what holds it back (campaigns.lua)
-- c:<name>:z      hash    of a campaign in its recipients' own hours: sets of time zones and their openings (zones.lua);
--                         expires like c:<name>:out
-- c:<name>:tm     zset    its operations that wait for their not_before -> due (us), as `<seq>:<id>`
-- c:<name>:out    stream  one entry per outcome, never trimmed; expires a retention time after the campaign is complete
-- o:<id>          hash    operation; expires a retention time after its outcome
-- f:<id>          list    operations that follow this one and wait for its outcome; removed by it
-- u:<uuid>        string  the operation that has this message or group at the provider; expires like the operation
-- a:<acct>        hash    account, as far as sending needs it: limits, budgets, bucket, pause, breaker, suspension; `due` its score there;
--                         `sup` it has a suppression list
-- about:<acct>    hash    what people and producers read of it: rates in words, senders, what /info said, since when it is there
-- pools:<acct>    hash    its pools of senders -> their numbers and weights (JSON)
-- secret:<acct>   hash    its encrypted key, and the digest by which one key under two names is found
-- hook:<acct>     hash    digest of the token that its receipts come with
-- sup:<acct>      hash    numbers that the account must not write to -> since when (s, ten digits), then the number of the reason, then `|` and
--                         when it was said last (s), if that was later. Kept when the account is removed: it belongs to the people on it.
--                         `supall`: numbers that no account must write to
-- had:<acct>      hash    numbers that had bulk messages of it lately -> their times (s); of accounts that remember. had:<acct>:old the ones before;
--                         both expire (contacts.lua)
-- supwhy:<acct>   hash    `=<reason>` -> its number, and number -> reason; likewise. `supallwhy`
-- a:<acct>:n      hash    counts since the account was added
-- a:<acct>:c      set     its campaigns that are not complete
-- a:<acct>:dead   zset    its dead letters: rejected or dead -> since when (us); trimmed with the retention time
-- a:<acct>:ln     set     senders that have or had a lane
-- a:<acct>:r      zset    senders whose lane may send now -> since when (us) it has transactional work; with bulk work only: since when,
--                         plus BULK (account.lua), so that transactional work comes first
-- a:<acct>:in     zset    its inbox records that belong to no campaign -> time of writing (us): accepted in this order, whatever hint
--                         comes first
-- a:<acct>:c:in   zset    those of its campaigns, likewise: a single message does not wait until a campaign is taken in
-- a:<acct>:tm     zset    operations that wait for a time -> due (us): `n:<seq>:<id>` not before, `o:0:<id>` back-off ends,
--                         `v:<other>:<id>` valid until, of one that follows another; `c:0:<campaign>` is to be attended to
-- a:<acct>:st:<n> hashes  recipient -> its sender of the account, for campaigns with several senders (pools.lua); each expires
-- a:<acct>:sp     zset    paused senders -> end of the pause (us)
-- a:<acct>:held   zset    operations of unknown outcome -> since when (us)
-- a:<acct>:q:<us> list    slots of the last N grants, for the quota of that window; expires with it
-- l:<acct>:<sender>            hash  lane: `f` the operation in flight, `p` paused until (us), `pw` why, `ch` the sender's channel, `e` how long a
--                                    call keeps it (us)
-- l:<acct>:<sender>:q:<kind>:<us> list slots of the sender's last calls of a kind ('*' any), for the budget of that window; expires
-- l:<acct>:<sender>:t          list  transactional operations
-- l:<acct>:<sender>:w          zset  bulk sources (campaigns, or `-`) that may send -> tag; the smallest has the next turn
-- l:<acct>:<sender>:b:<source> list  operations of one bulk source
-- l:<acct>:<sender>:b:<campaign>:<zones> list  its operations for one set of time zones
-- l:<acct>:<sender>:zo:<campaign> zset  sets that are open, with work -> when they close (us)
-- l:<acct>:<sender>:zs:<campaign> zset  the other sets with work -> when they open (us)
-- l:<acct>:<sender>:h          hash  pair -> operation in back-off: what follows it to the same recipient waits
-- l:<acct>:<sender>:k:<pair>   list  operations that wait behind it; a pair is "t|<to>" or "b:<source>|<to>"
local root = KEYS[1]

-- The form of these keys. State of another form is converted by `paceline state migrate` before a worker starts.
local SCHEMA = '3'
-- What the schema of state with several shards ends with.
local IN_SHARDS = ' in shards'

-- Before the id of an operation in the index of timers: no account's name begins like this.
local CANCELLED = '!'

-- Likewise, before the name of an account whose suppression list began or ended.
local LISTED = '='
-- In place of an account: all of them.
local EVERY_ACCOUNT = '*'

-- Fill a library when the first of its functions is asked for: making functions that a call does not need would cost it more than its
-- work.
local makers = {}
local UNMADE = { __index = function(library, name)
  setmetatable(library, nil)
  makers[library]()
  return library[name]
end }
local function seldom(library, make) makers[setmetatable(library, UNMADE)] = make end

local key = { due = root .. ':due', meta = root .. ':meta', in_flight = root .. ':fl' }
function key.operation(id) return root .. ':o:' .. id end
function key.account(name) return root .. ':a:' .. name end
function key.lane(account, sender) return root .. ':l:' .. account .. ':' .. sender end
seldom(key, function()
  for _, name in ipairs({ 'accounts', 'keys', 'inbox', 'timers', 'workers', 'outcomes', 'campaigns', 'receipts', 'early', 'unreachable', 'tokens', 'seals', 'public', 'trail', 'rings', 'forgetting' }) do
    key[name] = root .. ':' .. name
  end
  function key.record(rid) return root .. ':in:' .. rid end
  -- Campaign is '' for single messages. Users' access rules name `a:*:in`, so both end like that.
  function key.records(account, campaign) return key.account(account) .. (campaign == '' and ':in' or ':c:in') end
  function key.refusal(rid) return root .. ':no:' .. rid end
  function key.session(digest) return root .. ':session:' .. digest end
  function key.campaign(name) return root .. ':c:' .. name end
  function key.bulk(lane, source) return lane .. ':b:' .. source end
  function key.followers(id) return root .. ':f:' .. id end
  function key.claim(uuid) return root .. ':u:' .. uuid end
  function key.about(name) return root .. ':about:' .. name end
  function key.pools(name) return root .. ':pools:' .. name end
  function key.secret(name) return root .. ':secret:' .. name end
  function key.hook(name) return root .. ':hook:' .. name end
  function key.contacts(name) return root .. ':had:' .. name end
  function key.suppressed(name) return name == EVERY_ACCOUNT and root .. ':supall' or root .. ':sup:' .. name end
  function key.reasons(name) return name == EVERY_ACCOUNT and root .. ':supallwhy' or root .. ':supwhy:' .. name end
end)

-- Server time in integer microseconds: a double holds them exactly until the year 2255.
local function server_time()
  local t = redis.call('TIME')
  return tonumber(t[1]) * 1000000 + tonumber(t[2])
end

-- `tostring` keeps 14 digits and would lose the tail of a time.
local function int(x) return string.format('%.0f', x) end

-- A whole hash as a table; empty when there is none. Cheaper than asking for many fields most of which are absent.
local function whole(k)
  local flat, out = redis.call('HGETALL', k), {}
  for i = 1, #flat, 2 do out[flat[i]] = flat[i + 1] end
  return out
end

-- Some fields of a hash as a table, absent fields absent.
local function fields(k, names)
  local values = redis.call('HMGET', k, unpack(names))
  local out = {}
  for i, name in ipairs(names) do
    if values[i] then out[name] = values[i] end
  end
  return out
end
