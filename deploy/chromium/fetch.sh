#!/bin/sh
# Installs Debian's chromium for the tests of the pages and for their pictures, where that can be had: as root, with apt. Elsewhere it says so
# and ends well: what needs a browser says so, too.
#
#   deploy/chromium/fetch.sh
set -eu
if command -v chromium >/dev/null || [ -n "${CHROMIUM:-}" ]; then exit 0; fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
install() { DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >"$log" 2>&1; }
if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
  echo "make: installs Debian's package chromium, some 100 MB"
  if install || { apt-get update -qq >"$log" 2>&1 && install; }; then exit 0; fi
fi
[ ! -s "$log" ] || tail -n 1 "$log" >&2
echo "chromium is not installed, and cannot be installed here: what needs a browser is left out (CHROMIUM may name one)" >&2
