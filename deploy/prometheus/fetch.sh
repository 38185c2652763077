#!/bin/sh
# Puts Debian's prometheus and promtool into a folder, unless both are installed. Needs no root where apt's lists are there; installs no package
# and starts no service. Where they cannot be had it says so and ends well: what needs them says so, too.
#
#   deploy/prometheus/fetch.sh FOLDER
set -eu
to=$1
PATH=$to:$PATH
if command -v prometheus >/dev/null && command -v promtool >/dev/null; then exit 0; fi

echo "make: fetches Debian's package prometheus into $to"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
chmod 755 "$scratch" # apt fetches as a user of its own
fetch() { (cd "$scratch" && apt-get download -qq prometheus >"$scratch/log" 2>&1); }
may_update() { [ "$(id -u)" = 0 ] && apt-get update -qq >"$scratch/log" 2>&1; }
if command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null && { fetch || { may_update && fetch; }; }; then
  dpkg-deb -x "$scratch"/prometheus_*.deb "$scratch"
  mkdir -p "$to"
  cp "$scratch/usr/bin/prometheus" "$scratch/usr/bin/promtool" "$to"
else
  [ ! -s "$scratch/log" ] || tail -n 1 "$scratch/log" >&2
  echo "prometheus and promtool are not installed, and cannot be fetched here: what needs them is left out" >&2
fi
