"""Everything the provider can be asked about, put together: the state of each subject and who serves which operation."""

from collections.abc import Callable
from typing import Any

from paceline_sandbox.accounts.checks import check_services
from paceline_sandbox.accounts.numbers import Numbers
from paceline_sandbox.answers import Answer
from paceline_sandbox.business.sms import sms_services
from paceline_sandbox.business.waba import Waba
from paceline_sandbox.calls import Asked, Moment, Request, Service
from paceline_sandbox.groups.calls import GroupCalls
from paceline_sandbox.groups.groups import GroupBook
from paceline_sandbox.messages.history import History, Message
from paceline_sandbox.messages.messages import Messages
from paceline_sandbox.messages.profile import profile_services
from paceline_sandbox.webhooks.subscriptions import Subscriptions


class Subjects:
    """The provider's memory of messages, groups and numbers, empty at first.

    Args:
        subscriptions: who wants to hear of what.
        on_message: is told of each message when it takes effect.

    Attributes:
        services: who serves what, by the operation's name.
    """

    def __init__(self, subscriptions: Subscriptions, on_message: Callable[[Message], None]) -> None:
        self.history = History(on_message)
        self.groups = GroupBook()
        self.numbers = Numbers()
        self.waba = Waba(self.history)
        group_calls = GroupCalls(self.groups)
        self.services: dict[str, Service[Any]] = {
            "info": Service(_parse_info, _info),
            **Messages(self.history, group_calls.check).services(),
            **group_calls.services(),
            **self.numbers.services(),
            **check_services(),
            **profile_services(),
            **self.waba.services(),
            **sms_services(),
            **subscriptions.services(),
        }


def _parse_info(_asked: Asked, _moment: Moment) -> Request[None]:
    return Request("info", None)


def _info(_: Request[None], moment: Moment) -> Answer:
    return Answer(200, moment.account.info())
