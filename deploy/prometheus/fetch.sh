#!/bin/sh
# Puts prometheus, promtool, alertmanager and amtool of Debian's packages into a folder, unless they are installed. Needs no root where apt's
# lists are there; installs no package and starts no service. Where they cannot be had it says so and ends well: what needs them says so, too.
# Debian's alertmanager reads its templates from /usr/share, so root puts them there.
#
#   deploy/prometheus/fetch.sh FOLDER
set -eu
to=$1
PATH=$to:$PATH
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
chmod 755 "$scratch" # apt fetches as a user of its own
may_update() { [ "$(id -u)" = 0 ] && apt-get update -qq >"$scratch/log" 2>&1; }

# fetched PACKAGE PROGRAM...
fetched() {
  package=$1
  shift
  missing=
  for program in "$@"; do command -v "$program" >/dev/null || missing=$program; done
  [ -n "$missing" ] || return 0
  echo "make: fetches Debian's package $package into $to"
  fetch() { (cd "$scratch" && apt-get download -qq "$package" >"$scratch/log" 2>&1); }
  if command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null && { fetch || { may_update && fetch; }; }; then
    dpkg-deb -x "$scratch/${package}"_*.deb "$scratch"
    mkdir -p "$to"
    for program in "$@"; do cp "$scratch/usr/bin/$program" "$to"; done
    shared=usr/share/prometheus/alertmanager
    if [ -d "$scratch/$shared" ] && [ ! -e "/$shared" ] && [ "$(id -u)" = 0 ]; then
      mkdir -p "/$shared" && cp "$scratch/$shared"/*.tmpl "/$shared"
    fi
  else
    [ ! -s "$scratch/log" ] || tail -n 1 "$scratch/log" >&2
    echo "$package is not installed, and cannot be fetched here: what needs it is left out" >&2
  fi
}

fetched prometheus prometheus promtool
fetched prometheus-alertmanager prometheus-alertmanager amtool
