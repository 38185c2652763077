"""`paceline campaign export`: a table with one line per recipient, which can be uploaded again."""

import csv
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import IO, Annotated, Any, Final
from urllib.parse import unquote

import typer

from paceline.campaigns.draft import slots_of
from paceline.cli.campaign.options import Name
from paceline.cli.numbers import ShowNumbers, decide, shown
from paceline.cli.options import opened_state
from paceline.cli.output import harmless, opened_output
from paceline.cli.render import counted, one_line, say
from paceline.cli.show.outcomes import Form, Outcome
from paceline.errors import NotFound
from paceline.lua.fields import OPERATION
from paceline.outcomes import OutcomeEntry, Outcomes
from paceline.state.calls import State
from paceline.state.scripts import root_of
from paceline.state.shards import with_campaign
from paceline.template import Slot

# After the columns of the recipients' file, with which a reader of recipients begins.
COLUMNS: Final = (
    "outcome", "outcome_code", "outcome_words", "settled_at", "sent_at", "delivered_at", "read_at", "not_sent_at",
    "message_uuid", "id",
)  # fmt: skip
_RECEIPTS: Final = ("sent", "delivered", "read", "not_sent")
_PAGE: Final = 500
_TABLE: Final = """
CREATE TABLE rows (
    id TEXT PRIMARY KEY, recipient TEXT, row_key TEXT, outcome TEXT, code TEXT, words TEXT, settled TEXT, uuid TEXT,
    sent TEXT, delivered TEXT, read TEXT, not_sent TEXT
) WITHOUT ROWID"""
_SETTLED: Final = """
INSERT INTO rows (id, recipient, row_key, outcome, code, words, settled, uuid) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET
    outcome = excluded.outcome, code = excluded.code, words = excluded.words, settled = excluded.settled,
    uuid = excluded.uuid"""


def export(
    name: Name,
    *,
    outcome: Annotated[
        list[Outcome] | None,
        typer.Option("--outcome", metavar="OUTCOME", help=f"One of {', '.join(Outcome)}; repeatable. Default: all."),
    ] = None,
    form: Annotated[Form, typer.Option("--format", help="Format: CSV with a header, or JSON Lines.")] = Form.csv,
    output: Annotated[
        Path | None,
        typer.Option("--output", metavar="FILE", help="File to write, replaced when complete. Default: stdout."),
    ] = None,
    show_numbers: ShowNumbers = False,
) -> None:
    """Export a campaign: one line per recipient with its outcome, and when the message was delivered and read.

    A file of --output holds whole numbers. Columns of encrypted payloads stay empty.

    The table can be uploaded again: under the same name nobody gets the message twice, and under another name the
    table is a list of recipients. Recipients without an outcome are left out.

    CSV and JSON: to, key, the columns of the template, outcome, outcome_code, outcome_words, settled_at, sent_at,
    delivered_at, read_at, not_sent_at, message_uuid, id. A text that a spreadsheet would take for a formula begins with
    an apostrophe.
    """
    path = None if output is None or str(output) == "-" else output
    decide(show=show_numbers or path is not None)
    with opened_state() as state, closing(_store()) as store:
        campaign = state.campaign(name)
        if campaign is None:
            raise NotFound(f"no campaign named {name!r}: see `paceline campaign list`")
        _fill(store, Outcomes(state.client).each(name, receipts=True))
        slots = {slot.name: slot for slot in slots_of(campaign)}
        own = [
            column for column in dict.fromkeys(slot.column for slot in slots.values()) if column not in ("to", "key")
        ]
        ours = [f"paceline_{column}" if column in own else column for column in COLUMNS]
        wanted = [str(one) for one in outcome or ()]
        with opened_output(path) as file:
            write = _writer(file, form, ["to", "key", *own, *ours])
            number = 0
            for rows in _pages(store, wanted):
                values = _values(state, name, [row[0] for row in rows])
                for row in rows:
                    write(_line(row, own, slots, values.get(row[0] or "", {})))
                number += len(rows)

    if path is not None:
        say(f"{counted(number, 'recipient')} written to {path}.")


def _store() -> sqlite3.Connection:
    """A private table that goes to a temporary file when it is large: memory does not grow with the campaign."""
    store = sqlite3.connect("", isolation_level=None)
    store.execute(_TABLE)
    store.execute("BEGIN")
    return store


def _fill(store: sqlite3.Connection, entries: Iterable[OutcomeEntry]) -> None:
    for entry in entries:
        if entry.is_final:
            continue
        at = entry.settled_at.isoformat()
        if entry.event in _RECEIPTS:
            # One of a fixed set of names.
            store.execute(f"UPDATE rows SET {entry.event} = ? WHERE id = ?", (at, entry.id))  # noqa: S608
            continue
        plain = (entry.id, entry.to, entry.key, entry.outcome, entry.code, entry.words, at, entry.message_uuid)
        store.execute(_SETTLED, plain)


def _pages(store: sqlite3.Connection, outcomes: Sequence[str]) -> Iterator[list[tuple[str | None, ...]]]:
    places = ", ".join("?" * len(outcomes))
    where = f"WHERE outcome IN ({places})" if outcomes else ""
    found = store.execute(
        "SELECT id, recipient, row_key, outcome, code, words, settled, sent, delivered, read, not_sent, uuid "  # noqa: S608
        f"FROM rows {where} ORDER BY settled, id",
        outcomes,
    )
    while page := found.fetchmany(_PAGE):
        yield page


def _values(state: State, campaign: str, ids: Sequence[Any]) -> Mapping[str, Mapping[str, str]]:
    """What rows brought for the template, by operation: as long as the operation is kept, and not encrypted."""
    payload = OPERATION.code("payload")
    client = with_campaign(state.client, campaign)
    with client.pipeline(transaction=False) as pipeline:
        for op_id in ids:
            pipeline.hget(f"{root_of(client)}:o:{op_id}", payload)
        texts = pipeline.execute()
    return {op_id: json.loads(text) for op_id, text in zip(ids, texts, strict=True) if (text or "").startswith("{")}


def _line(
    row: Sequence[str | None], own: Sequence[str], slots: Mapping[str, Slot], values: Mapping[str, Any]
) -> list[str]:
    op_id, to, key, outcome, code, words, settled, sent, delivered, read, not_sent, uuid = row
    brought = {
        slots[name].column: unquote(str(value)) if slots[name].place == "part" else str(value)
        for name, value in values.items()
        if name in slots
    }
    told = (outcome, code, words, settled, sent, delivered, read, not_sent, uuid, op_id)
    cells = (to, key, *(brought.get(column) for column in own), *told)
    return [shown(cell or "") for cell in cells]


def _writer(file: IO[str], form: Form, columns: Sequence[str]) -> Any:
    if form is Form.jsonl:
        return lambda line: file.write(f"{json.dumps(dict(zip(columns, line, strict=True)))}\n")
    table = csv.writer(file, lineterminator="\n")
    table.writerow(map(harmless, columns))
    return lambda line: table.writerow([harmless(cell if cell.isprintable() else one_line(cell)) for cell in line])
