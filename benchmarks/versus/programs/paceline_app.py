"""Paceline itself, as the other contestants are run.

python paceline_app.py prepare
python paceline_app.py produce MESSAGES_A_KEY MESSAGES_A_SECOND
celery -A paceline_worker worker --pool threads
"""

import os
import sys
from datetime import timedelta

from jobs import KEYS, PER_MINUTE, REDIS, jobs, names

from paceline import Outbox, SendMessage
from paceline.state import connect
from paceline_worker.accounts.accounts import Accounts
from paceline_worker.accounts.secrets import ApiKey, KeyRing

# WhatsApp takes one message of a number at a time; without limits many numbers send.
SENDERS = 1 if PER_MINUTE else 400 // KEYS


def sender_of(key: str, number: int) -> str:
    """A number of the account."""
    return f"+1555{int(key[1:]):05d}{number:02d}"


def prepare() -> None:
    """Add the accounts."""
    with connect(REDIS) as client:
        ring = KeyRing(os.environ["PACELINE_SECRET_KEY"])
        accounts = Accounts(client)
        for name in names():
            accounts.add(
                name,
                ApiKey(name),
                ring=ring,
                rates=f"{PER_MINUTE}/minute" if PER_MINUTE else "1000000/second",
                pacing="window",
                variation=timedelta(milliseconds=100) if PER_MINUTE else timedelta(seconds=1),
                info_every=timedelta(0),
            )


def produce() -> None:
    """Enqueue all jobs: one by one when they come one by one, as campaigns otherwise."""
    per_key, per_second = int(sys.argv[2]), float(sys.argv[3])
    with Outbox(broker_url=REDIS) as outbox:
        if per_second:
            for number, (key, text) in enumerate(jobs()):
                message = SendMessage(
                    account=key, sender=sender_of(key, number // KEYS % SENDERS), to="+15550100002", text=text
                )
                outbox.send(message)
            return
        for key in names():
            for sender in range(SENDERS):
                rows = range(sender, per_key, SENDERS)
                outbox.start_campaign(
                    f"{key}-{sender}",
                    account=key,
                    sender=sender_of(key, sender),
                    template="message {row} of {account}",
                    recipients=({"to": f"+4915{row:09d}", "row": str(row), "account": key} for row in rows),
                )


if __name__ == "__main__":
    {"prepare": prepare, "produce": produce}[sys.argv[1]]()
