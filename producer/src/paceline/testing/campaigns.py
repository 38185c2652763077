"""Commands of campaigns, from memory: the stored fields of one campaign and what a command makes of them."""

import json

from paceline.lua.fields import CAMPAIGN

_HOLDS = {"pause": "paused", "cancel": "cancelled"}


def hold_at_opening(*, paused: bool, uploading: bool, needs_approval: bool) -> dict[str, str]:
    """What holds a campaign when its upload begins, as campaign.lua writes it."""
    if needs_approval:
        hold = {"approval": "needed", "hold": "paused", "hold_why": "waiting for approval"}
        return hold | ({"begins_paused": "1"} if paused else {})
    if paused:
        return {"hold": "paused", "hold_why": "uploaded paused"}
    if uploading:
        return {"hold": "paused", "hold_why": "upload in progress", "uploading": "1"}
    return {}


def control(campaign: dict[str, str], verb: str, argument: str, now_us: str) -> str:
    """Change one campaign as campaign.lua does.

    Args:
        campaign: its stored fields, by their long names.
        verb: the command.
        argument: of the command.
        now_us: the time.

    Returns:
        The reply of the script.
    """
    if campaign.get("hold") == "cancelled":
        return "cancelled"
    if campaign.get("approval") == "needed" and verb in {"pause", "resume"}:
        campaign |= {"begins_paused": "1"} if verb == "pause" else {}
        return "done" if verb == "pause" else "not approved"

    match verb:
        case "abandon":
            campaign |= {"hold_why": argument} if "uploading" in campaign else {}
        case "delete" | "zones":
            pass  # stored elsewhere
        case "approve":
            return _approve(campaign, argument, now_us)
        case "change":
            campaign |= CAMPAIGN.named(json.loads(argument))
        case "resume":
            for name in ("hold", "hold_why", "uploading"):
                campaign.pop(name, None)
        case _:
            campaign |= {"hold": _HOLDS[verb], "hold_why": argument}
    return "done"


def _approve(campaign: dict[str, str], by: str, now_us: str) -> str:
    if campaign.get("approval") != "needed":
        return "done" if "approval" in campaign else "needs no approval"

    campaign |= {"approval": "given", "approved_by": by, "approved_at": now_us}
    if campaign.pop("begins_paused", None):
        campaign["hold_why"] = "uploaded paused"
    else:
        del campaign["hold"], campaign["hold_why"]
    return "done"
