#!/bin/sh
# Makes what docker-compose.yml needs before its first start: .env with a secret key and a password for each role, and the certificates of the
# state server. Needs a shell and openssl. Running it again keeps everything that is there and adds what is missing:
#
#   deploy/first-start.sh                 # .env and deploy/private
#   deploy/first-start.sh --renew         # another certificate of the server, by the same authority; restart valkey then
#   ENV_FILE=FILE PRIVATE=DIRECTORY deploy/first-start.sh
#
# Another password: delete the address of the role (PACELINE_WORKER_URL and so on) from .env, run it again, restart valkey and the role.
set -eu
umask 077
home=$(cd "$(dirname "$0")/.." && pwd)
env_file=${ENV_FILE:-$home/.env}
private=${PRIVATE:-$home/deploy/private}
server=${STATE_HOST:-valkey}

fail() {
  printf 'first-start: %s\n' "$*" >&2
  exit 1
}
command -v openssl >/dev/null || fail "openssl is not installed; install it, or fill in $env_file by hand"
case ${1:-} in
  '' | --renew) ;;
  *) fail "unknown argument $1 (only --renew is known)" ;;
esac

# ---- certificates ----------------------------------------------------------------------------------------------------------------------------
# `private` is closed to other users of this machine. A container sees one of its folders only, as a user of its own, so files in there may be read.
mkdir -p "$private/valkey" "$private/trust"
chmod 755 "$private/valkey" "$private/trust"
if [ ! -s "$private/ca.key" ]; then
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 7300 -subj "/CN=Paceline state" \
    -keyout "$private/ca.key" -out "$private/trust/ca.pem" 2>/dev/null || fail "openssl cannot make an authority"
  rm -f "$private/valkey/server.pem"
fi
if [ ! -s "$private/valkey/server.pem" ] || [ "${1:-}" = --renew ]; then
  names="$private/names"
  printf 'subjectAltName=DNS:%s,DNS:localhost,IP:127.0.0.1\nbasicConstraints=critical,CA:FALSE\nextendedKeyUsage=serverAuth\n' "$server" >"$names"
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$server" \
    -keyout "$private/valkey/server.key" -out "$private/server.csr" 2>/dev/null || fail "openssl cannot make a key"
  openssl x509 -req -in "$private/server.csr" -CA "$private/trust/ca.pem" -CAkey "$private/ca.key" -set_serial "0x$(openssl rand -hex 16)" -days 3650 -extfile "$names" \
    -out "$private/valkey/server.pem" 2>/dev/null || fail "openssl cannot sign the certificate of the server"
  rm -f "$names" "$private/server.csr"
fi
cp "$private/trust/ca.pem" "$private/valkey/ca.pem"

# ---- settings --------------------------------------------------------------------------------------------------------------------------------
[ -e "$env_file" ] || cp "$home/.env.example" "$env_file"
chmod 600 "$env_file"

value_of() { sed -n "s/^$1=//p" "$env_file" | tail -n 1; }
set_value() { # a line that is there and empty is filled in; else a new one is added
  grep -v "^$1=\$" "$env_file" >"$env_file.new" || true
  printf '%s=%s\n' "$1" "$2" >>"$env_file.new"
  mv "$env_file.new" "$env_file"
}

[ -n "$(value_of PACELINE_SECRET_KEY)" ] || set_value PACELINE_SECRET_KEY "$(openssl rand -base64 32 | tr '+/' '-_')"

acl="$private/valkey/users.acl"
: >"$acl.new"
while IFS= read -r line; do
  role=$(printf '%s' "$line" | sed -n 's/^user \([a-z]*\) on >.*/\1/p')
  if [ -n "$role" ]; then
    variable="PACELINE_$(printf '%s' "$role" | tr '[:lower:]' '[:upper:]')_URL"
    address=$(value_of "$variable")
    if [ -z "$address" ]; then
      address="rediss://$role:$(openssl rand -hex 24)@$server:6379/0?ssl_ca_certs=/etc/paceline/trust/ca.pem"
      set_value "$variable" "$address"
    fi
    password=$(printf '%s' "$address" | sed -n 's|^rediss*://[^:/@]*:\([^@]*\)@.*|\1|p')
    # An address of another server, or with another user's name, has no password for this one.
    [ -n "$password" ] || password=$(openssl rand -hex 24)
    digest=$(printf '%s' "$password" | openssl dgst -sha256 -r | cut -d ' ' -f 1)
    line=$(printf '%s' "$line" | sed "s/ >[^ ]*/ #$digest/")
  fi
  printf '%s\n' "$line" >>"$acl.new"
done <"$home/deploy/valkey/users.acl"
# For the health check of the container: no password, and nothing but PING.
printf 'user health on nopass resetchannels -@all +ping\n' >>"$acl.new"
mv "$acl.new" "$acl"
chmod 644 "$private"/valkey/* "$private"/trust/*
printf 'first-start: %s and %s are ready. Keep a copy of both elsewhere: without PACELINE_SECRET_KEY the API keys are lost.\n' "$env_file" "$private"
