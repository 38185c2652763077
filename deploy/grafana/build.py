"""Write the dashboards: `python -m deploy.grafana.build`. With `--check` write nothing and fail when they differ."""

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from deploy.grafana import account, campaign, overview, workers
from deploy.grafana.pages import panel_id
from deploy.grafana.sdk import JSONEncoder, dashboard

FOLDER: Final = Path(__file__).parent / "dashboards"
_PAGES: Final = {"overview": overview.page, "account": account.page, "campaign": campaign.page, "workers": workers.page}


def dashboards() -> dict[str, str]:
    """The text of each file by its name."""
    return {f"{name}.json": _text(page()) for name, page in _PAGES.items()}


def drift() -> list[str]:
    """Names of files that are missing, not made here, or not what would be written."""
    made = dashboards()
    found = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")}
    return sorted(name for name in made.keys() | found.keys() if made.get(name) != found.get(name))


def main(arguments: list[str] | None = None) -> int:
    """The command.

    Args:
        arguments: without the program's name; the process's own unless given.

    Returns:
        1 when files differ under `--check`, else 0.
    """
    parser = argparse.ArgumentParser(prog="python -m deploy.grafana.build", description="Write Grafana's dashboards.")
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 when a file is not what would be written"
    )
    if parser.parse_args(arguments).check:
        differing = drift()
        for name in differing:
            sys.stderr.write(f"{name} is not what its module says: run python -m deploy.grafana.build\n")
        return int(bool(differing))
    FOLDER.mkdir(exist_ok=True)
    for name, text in dashboards().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    return 0


def _text(page: dashboard.Dashboard) -> str:
    plain = json.loads(json.dumps(page, cls=JSONEncoder))
    for panel in plain["panels"]:
        panel["id"] = panel_id(panel["title"] if panel["type"] != "row" else f"row {panel['title']}")
        _show(panel.get("links", ()))
    _show(plain["links"])
    return json.dumps(plain, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _show(links: Iterable[dict[str, Any]]) -> None:
    """Leave links where they are seen: the SDK has them moved into a menu."""
    for link in links:
        link.pop("placement", None)


if __name__ == "__main__":
    sys.exit(main())
