#!/bin/sh
# Writes Alertmanager's configuration with receivers from the environment (.env), and starts a command.
#
#   alertmanager.sh SOURCE TARGET COMMAND...
#
# For each severity, PAGE and TICKET: ALERTS_PAGE_WEBHOOK (an address), ALERTS_PAGE_SLACK (a webhook of Slack), ALERTS_PAGE_PAGERDUTY
# (an integration key), ALERTS_PAGE_EMAIL (addresses, separated by commas). Mail needs ALERTS_SMTP (host:port) and ALERTS_SMTP_FROM;
# ALERTS_SMTP_USER and ALERTS_SMTP_PASSWORD where the server asks for them.
set -eu
umask 077
source=$1 target=$2
shift 2

fail() {
  printf 'alertmanager.sh: %s\n' "$*" >&2
  exit 2
}

# A variable as a text of YAML, in quotes; nothing when it is empty.
text() {
  eval "value=\${$1:-}"
  [ -n "$value" ] || return 0
  case $value in *[[:cntrl:]]*) fail "$1 holds a line break or another control character" ;; esac
  printf "'%s'" "$(printf '%s' "$value" | sed "s/'/''/g")"
}

address() {
  found=$(text "$1")
  case $found in '' | "'http://"* | "'https://"*) printf '%s' "$found" ;; *) fail "$1 is not an address such as https://on-call.example/hook" ;; esac
}

global() {
  smtp=$(text ALERTS_SMTP)
  from=$(text ALERTS_SMTP_FROM)
  user=$(text ALERTS_SMTP_USER)
  password=$(text ALERTS_SMTP_PASSWORD)
  mail="${ALERTS_PAGE_EMAIL:-}${ALERTS_TICKET_EMAIL:-}"
  if [ -n "$mail" ]; then
    [ -n "$smtp" ] && [ -n "$from" ] || fail "mail needs ALERTS_SMTP (host:port) and ALERTS_SMTP_FROM"
    printf 'global:\n  smtp_smarthost: %s\n  smtp_from: %s\n' "$smtp" "$from"
    [ -z "$user" ] || printf '  smtp_auth_username: %s\n' "$user"
    [ -z "$password" ] || printf '  smtp_auth_password: %s\n' "$password"
    printf '\n'
  fi
}

# One kind of receiver: its name, its option, the value.
one() {
  [ -z "$3" ] || printf '    %s_configs:\n      - %s: %s\n        send_resolved: true\n' "$1" "$2" "$3"
}

receivers() {
  webhook=$(address "ALERTS_$1_WEBHOOK")
  slack=$(address "ALERTS_$1_SLACK")
  pagerduty=$(text "ALERTS_$1_PAGERDUTY")
  email=$(text "ALERTS_$1_EMAIL")
  [ -n "$webhook$slack$pagerduty$email" ] || printf 'alertmanager.sh: nobody hears of alerts of severity %s: set ALERTS_%s_WEBHOOK, _SLACK, _PAGERDUTY or _EMAIL in .env\n' "$1" "$1" >&2
  one webhook url "$webhook"
  one slack api_url "$slack"
  one pagerduty routing_key "$pagerduty"
  one email to "$email"
}

written() {
  global
  while IFS= read -r line; do
    printf '%s\n' "$line"
    case $line in
      '  - name: page') receivers PAGE ;;
      '  - name: ticket') receivers TICKET ;;
    esac
  done <"$source"
}

written >"$target.part"
mv "$target.part" "$target"
exec "$@"
