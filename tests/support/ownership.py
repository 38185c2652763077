"""Who owns a key of the state server: what has neither expiry nor owner would stay for ever."""

import re
from typing import Final

import redis

from paceline.state.scripts import root_of
from paceline.state.shards import each_shard, fresh_layout

_OWNED_BY_STATE: Final = re.compile(
    r":(accounts|keys|due|timers|fl|inbox|meta|workers|outcomes|receipts|campaigns|tokens|seals|public|trail|hooks|hooks:runners|directory|leases|c:[^:]+|in:[^:]+|sup(?:why)?:[^:]+|supall(?:why)?)$"
)
_OWNED_BY_CAMPAIGN: Final = re.compile(r":c:(?P<campaign>[^:]+):(?:tm|out|z)$")
_OWNED_BY_HOOK: Final = re.compile(r":(?:wh|signing):(?P<hook>[^:]+)(?::.*)?$")
_OWNED_BY_ACCOUNT: Final = re.compile(r":(?:a|l|about|pools|secret|hook):(?P<account>[^:]+)(?::.*)?$")


# One call for all keys: asked one by one they would be a tenth of a test's time.
_WITHOUT_EXPIRY: Final = """
local kept, cursor = {}, '0'
repeat
  local found = redis.call('SCAN', cursor, 'MATCH', ARGV[1], 'COUNT', 1000)
  cursor = found[1]
  for _, key in ipairs(found[2]) do
    if redis.call('PTTL', key) == -1 then kept[#kept + 1] = key end
  end
until cursor == '0'
return kept
"""


def ownerless_keys(client: redis.Redis) -> list[str]:
    """Keys of ours with neither expiry nor owner: what would stay for ever."""
    fresh_layout(client)
    return [key for shard in each_shard(client) for key in _ownerless_of(shard)]


def _ownerless_of(client: redis.Redis) -> list[str]:
    root = root_of(client)
    accounts = client.smembers(f"{root}:accounts")
    leaks = []
    for key in client.eval(_WITHOUT_EXPIRY, 0, f"{root.replace('{', '?').replace('}', '?')}:*"):
        tail = key.removeprefix(root)
        if _OWNED_BY_STATE.fullmatch(tail):
            continue
        of_hook = _OWNED_BY_HOOK.fullmatch(tail)
        if of_hook and client.sismember(f"{root}:hooks", of_hook["hook"]):
            continue
        owned = _OWNED_BY_ACCOUNT.fullmatch(tail)
        if owned and owned["account"] in accounts:
            continue
        of_campaign = _OWNED_BY_CAMPAIGN.fullmatch(tail)
        if of_campaign and not client.hexists(f"{root}:c:{of_campaign['campaign']}", "completed_at"):
            continue
        if tail.startswith(":f:") and client.hget(f"{root}:o:{tail[3:]}", "s") in ("w", "g", "s", "d"):
            continue
        if tail.startswith(":o:") and client.hmget(key, "s", "oc") not in (["d", "accepted"], ["d", "rejected"]):
            continue
        if client.pttl(key) == -1:  # not settled, and given its expiry, since it was listed
            leaks.append(key)
    return sorted(leaks)
