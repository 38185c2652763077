"""How the pages of the console and of the sandbox look: one style sheet, one script, and the libraries they need.

Everything is served from this folder; nothing is fetched from elsewhere. Copies of npm packages, unchanged, each with its licence
beside it: htmx.org 2.0.11 (0BSD), idiomorph 0.8.0 (0BSD), uplot 1.6.32 (MIT), @fontsource-variable/inter 5.3.0 (OFL-1.1).
"""

import hashlib
from functools import cache
from pathlib import Path
from typing import Final

ASSETS: Final = Path(__file__).parent / "assets"

# No inline script or style, nothing from elsewhere, in no frame.
CONTENT_SECURITY_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".woff2": "font/woff2", ".svg": "image/svg+xml"}


@cache
def version() -> str:
    """Names the content of all assets: their addresses change with it, so that browsers may keep them for ever."""
    digest = hashlib.sha256()
    for path in sorted(ASSETS.iterdir()):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


@cache
def asset(name: str) -> tuple[bytes, str] | None:
    """The content and the type of an asset; None when there is none of that name.

    Args:
        name: of a file in the folder, without a path.
    """
    path = ASSETS / name
    if path.parent != ASSETS or path.suffix not in TYPES or not path.is_file():
        return None
    return path.read_bytes(), TYPES[path.suffix]
