#!/bin/sh
# Copies a folder, puts the addresses of this deployment in place of the examples, and starts a command.
#
#   addresses.sh SOURCE TARGET COMMAND...
#
# RUNBOOKS_URL is where people read the files of this repository, GRAFANA_URL is where people see Grafana.
set -eu
source=$1 target=$2
shift 2

fail() {
  printf 'addresses.sh: %s\n' "$*" >&2
  exit 2
}

# Without what would mean something to sed or in JSON.
checked() {
  case $2 in
    *[!A-Za-z0-9:/._~%@-]*) fail "$1 holds a character that is none of an address" ;;
    http://?* | https://?*) printf '%s' "${2%/}" ;;
    *) fail "$1 is not an address such as https://git.example.com/paceline/blob/main" ;;
  esac
}
runbooks=$(checked RUNBOOKS_URL "${RUNBOOKS_URL:-https://paceline.example}")
grafana=$(checked GRAFANA_URL "${GRAFANA_URL:-http://localhost:3000}")

mkdir -p "$target"
cp -R "$source/." "$target"
find "$target" -type f \( -name '*.yml' -o -name '*.json' \) | while IFS= read -r file; do
  sed -e "s#https://paceline\\.example#$runbooks#g" -e "s#http://localhost:3000#$grafana#g" "$file" >"$file.part"
  mv "$file.part" "$file"
done
exec "$@"
