"""Every error a caller of ``paceline`` can see.

An error is named after the fact it states (`UnknownAccount`, `NotHeld`), so that ``except`` reads as a sentence. Only a name
that stands for a whole family ends in ``Error``.

::

    PacelineError
    ├── ConfigurationError            a setting is missing or malformed
    ├── InvalidOperation              the operation cannot be sent as written (also a ValueError)
    │   └── InvalidRow                one row of a campaign, with its line
    ├── StateUnavailable              Redis did not answer in time; nothing was promised
    ├── Refusal                       state answered, and said no; nothing was written
    │   ├── UnknownAccount
    │   ├── UnknownSender
    │   ├── CampaignConflict
    │   ├── Conflict                  the idempotency key belongs to another content
    │   └── AlreadyBegun              too late to cancel it
    ├── NotFound                      no operation or campaign of that name
    ├── OutcomesTrimmed               outcomes after the last entry handled are deleted
    ├── NotYetAccepted                no worker has accepted the record; it is kept (also a TimeoutError)
    └── NotYetSettled                 it has no outcome in the time given; it is kept (also a TimeoutError)

Errors of single rooms, declared where they are raised; a test compares this list with the code:

    InvalidOperation
    └── MissingColumn                 recipients/columns: a file lacks a column
    PacelineError
    ├── MissingExtra                  cli/plugins: the command needs an extra that is not installed
    ├── NothingToSend                 cli/campaign/start: no row of the upload can be sent
    ├── NotDeleted                    cli/campaign/commands
    ├── NothingDeleted                cli/campaign/recall: no message can be deleted
    ├── NotCancelled                  cli/campaign/commands
    ├── PlanFails                     cli/campaign/plan: the plan names problems
    ├── NotAccepted                   cli/send/tell: no worker accepted it in the time given
    ├── NotSettled                    cli/send/tell: it has no outcome in the time given
    ├── AccountRefused                worker accounts/accounts: the account's state does not allow it
    ├── RotationRefused               worker accounts/rotation
    ├── MigrationRefused              worker state/migration
    ├── KeyPutBack                    worker delivery/keys: an older API key was put in place of a newer one
    ├── NotForgotten                  worker review/forgetting
    ├── NotMoved                      worker state/moving
    ├── SubscriptionFailed            worker receipts/subscribing
    ├── PortTaken                     worker cli/hook_runner
    ├── Forbidden                     worker console/frame
    └── DemoFailed                    sandbox demo/stack
    Refusal
    ├── NotHeld                       worker review/held
    ├── CampaignCancelled             worker review/held
    ├── HookDisabled                  worker hooks/state
    └── HookFull                      worker hooks/state
"""


class PacelineError(Exception):
    """Base of all errors raised by paceline."""


class ConfigurationError(PacelineError):
    """A setting is missing or malformed."""


class InvalidOperation(PacelineError, ValueError):
    """The operation cannot be sent as written; the message names the field."""


class InvalidRow(InvalidOperation):
    """One row of a campaign cannot be sent.

    Args:
        line: where the row stands in its source, first row 1 (or the line of the file).
        reason: what is wrong with it, with the field's name.
    """

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}")
        self.line = line
        self.reason = reason


class StateUnavailable(PacelineError):
    """Redis did not answer in time, so nothing was promised: send again with the same idempotency key."""


class Refusal(PacelineError):
    """State answered and said no; nothing was written."""


class UnknownAccount(Refusal):
    """No account of that name: add it with ``paceline accounts add NAME``."""


class UnknownSender(Refusal):
    """The account lists its senders, and this number is not among them."""


class CampaignConflict(Refusal):
    """A campaign of that name exists with another account, sender, template or options."""


class Conflict(Refusal):
    """The idempotency key belongs to an operation with another content; nothing was added.

    Args:
        op_id: the operation that has the key.
    """

    def __init__(self, op_id: str) -> None:
        super().__init__(f"this idempotency key belongs to operation {op_id}, whose content differs: use another key")
        self.id = op_id


class AlreadyBegun(Refusal):
    """The operation has begun, so it cannot be cancelled."""


class NotFound(PacelineError):
    """No operation or campaign of that name is known."""


class NotYetAccepted(PacelineError, TimeoutError):
    """No worker accepted the record within the time given; it is kept and will be accepted."""


class NotYetSettled(PacelineError, TimeoutError):
    """The operation has no outcome within the time given; it is kept and goes on."""


class OutcomesTrimmed(PacelineError):
    """What follows the last entry handled is not all kept any more.

    Args:
        after: the last entry handled; "0" when there was none.
        oldest: the first entry that is kept; None when there is none.
        campaign: whose stream it is; None: the stream of all outcomes.
    """

    def __init__(self, after: str, oldest: str | None, campaign: str | None) -> None:
        self.after = after
        self.oldest = oldest
        self.campaign = campaign
        of_what = f"outcomes of campaign {campaign!r}" if campaign else "outcomes"
        if oldest:
            super().__init__(f"{of_what} after entry {after} may be deleted: the oldest kept entry is {oldest}")
        else:
            why = ": they are deleted a retention time after its completion" if campaign else ""
            super().__init__(f"no {of_what} are kept{why}")
