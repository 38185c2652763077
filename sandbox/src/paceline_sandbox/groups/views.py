"""Groups as the provider shows them (docs/provider.md, 2.2)."""

from paceline_sandbox.accounts.phones import country_of, formatted
from paceline_sandbox.answers import JsonObject
from paceline_sandbox.clock import as_timestamp
from paceline_sandbox.groups.groups import Group, Member
from paceline_sandbox.messages.history import stable_id


def group_object(group: Group, now_us: int) -> JsonObject:
    """The Group object.

    Args:
        group: the group.
        now_us: the present, microseconds since the epoch.
    """
    return {
        "uuid": group.uuid,
        "channel_uuid": stable_id("WPN", group.owner),
        "wa_group_id": group.wa_group_id,
        "wa_group_name": group.name,
        "wa_subject": group.name,
        "wa_owner_id": f"{group.owner[1:]}@c.us",
        "wa_created_at": as_timestamp(group.created_us),
        "description": group.description,
        "profile_pic_url": group.picture,
        "size": len(group.shown_members(now_us)),
        "is_muted": False,
        "is_read_only": False,
        "channel_is_owner": not group.assumed,
        "created_at": as_timestamp(group.created_us),
        "updated_at": as_timestamp(group.updated_us),
        "owner_contact": _contact(group.owner),
        "owner_data": _number_data(group.owner),
    }


def participant_objects(group: Group, now_us: int) -> list[JsonObject]:
    """The visible participants, in the order in which they joined."""
    return [_participant(number, member) for number, member in group.shown_members(now_us).items()]


def _participant(number: str, member: Member) -> JsonObject:
    return {
        "wa_participant_id": f"{number[1:]}@c.us",
        "wa_pushname": "",
        "profile_pic_url": None,
        "wa_is_super_admin": member.is_creator,
        "wa_is_admin": member.is_admin,
        "device": "unknown",
        "created_at": as_timestamp(member.joined_us),
        "updated_at": as_timestamp(member.changed_us),
        "contact": None,
        **_number_data(number),
    }


def _contact(number: str) -> JsonObject:
    return {
        "uuid": stable_id("CON", number),
        "first_name": "Sandbox",
        "last_name": "",
        "channel_uuid": stable_id("WPN", number),
        "profile_pic_url": None,
    }


def _number_data(number: str) -> JsonObject:
    return {
        "phone_number": number,
        "formatted_phone_number": formatted(number),
        "iso_country_code": country_of(number),
    }
