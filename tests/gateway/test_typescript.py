"""The TypeScript of docs/gateway.md, compiled against a client that is generated from the gateway's OpenAPI document."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from paceline.gateway.app import build
from paceline.settings import Settings

PAGE = Path(__file__).parents[2] / "docs" / "gateway.md"
# The releases that the page names; npm's own cache has them after the first run.
PACKAGES = ("openapi-typescript@7", "openapi-fetch@0", "typescript@5")
STRICT = ("--strict", "--noEmit", "--skipLibCheck", "--module", "nodenext", "--target", "es2022", "--lib", "es2022,dom")


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False, timeout=200)


def test_the_typescript_client_is_generated_and_compiles(tmp_path: Path) -> None:
    """With the commands of the page; a wrong field is an error."""
    if not shutil.which("npm"):
        pytest.skip("npm is not installed: no TypeScript client is generated here")
    page = PAGE.read_text(encoding="utf-8")
    assert "npx openapi-typescript openapi.json --default-non-nullable=false -o paceline.d.ts" in page
    installed = run(tmp_path, "npm", "install", "--no-audit", "--no-fund", "--prefer-offline", *PACKAGES)
    if installed.returncode:
        pytest.skip("npm cannot fetch the generator: no TypeScript client is generated here")
    (tmp_path / "openapi.json").write_text(json.dumps(build(Settings()).openapi()), encoding="utf-8")
    (code,) = re.findall(r"^```ts\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    (tmp_path / "right.ts").write_text(code, encoding="utf-8")
    (tmp_path / "wrong.ts").write_text(code.replace('account: "acme"', "account: 7"), encoding="utf-8")
    options = ("--default-non-nullable=false", "-o", "paceline.d.ts")
    generated = run(tmp_path, "node_modules/.bin/openapi-typescript", "openapi.json", *options)
    assert 0 == generated.returncode, generated.stderr
    compiled = run(tmp_path, "node_modules/.bin/tsc", *STRICT, "right.ts", "wrong.ts")
    errors = [line for line in compiled.stdout.splitlines() if ": error " in line]
    assert errors
    assert all(error.startswith("wrong.ts") for error in errors), compiled.stdout
