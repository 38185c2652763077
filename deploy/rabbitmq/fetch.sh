#!/bin/sh
# Installs Debian's rabbitmq-server for the tests of that broker, where that can be had: as root, with apt. Starts no service. Elsewhere it says
# so and ends well: what needs RabbitMQ says so, too.
#
#   deploy/rabbitmq/fetch.sh
set -eu
if [ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] || [ -n "${RABBITMQ:-}" ]; then exit 0; fi

log=$(mktemp)
policy=/usr/sbin/policy-rc.d
trap 'rm -f "$log"; [ -z "${ours:-}" ] || rm -f "$policy"' EXIT
install() { DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends rabbitmq-server >"$log" 2>&1; }
if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
  echo "make: installs Debian's package rabbitmq-server, some 40 MB"
  if [ ! -e "$policy" ]; then # the package would start a service
    ours=yes
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
  fi
  if install || { apt-get update -qq >"$log" 2>&1 && install; }; then exit 0; fi
fi
[ ! -s "$log" ] || tail -n 1 "$log" >&2
echo "rabbitmq-server is not installed, and cannot be installed here: what needs RabbitMQ is left out (RABBITMQ may name its program)" >&2
