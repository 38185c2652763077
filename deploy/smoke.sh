#!/usr/bin/env bash
# Tries docker-compose.yml for real: builds, starts everything with the emulated provider and three workers, sends campaigns, kills one worker and
# stops another in the middle, and believes the provider's log and the books only. Needs Docker with compose (v2 or 1.29) and bash, nothing else.
# It is a deployment of its own beside any other one, takes about two minutes, and leaves nothing behind.
#
#   deploy/smoke.sh
#   KEEP=1 deploy/smoke.sh                     # leaves it running, to look at
#   PACELINE_BASE_IMAGE=... deploy/smoke.sh    # another base image
#   COMPOSE_OVERRIDE=FILE deploy/smoke.sh      # a second compose file, on top
set -euo pipefail
cd "$(dirname "$0")/.."

readonly MESSAGES=120 # 3 campaigns of 40
readonly project="paceline-smoke-$$"
readonly image="paceline:smoke-$$"
scratch=$(mktemp -d)
readonly scratch settings="$scratch/settings.env"

say() { printf '== %s\n' "$*"; }
fail() {
  printf 'smoke: FAILED: %s\n' "$*" >&2
  exit 1
}

command -v docker >/dev/null || fail "docker is not installed"
docker info >/dev/null 2>&1 || fail "docker is installed, but its daemon does not answer (is it started? may you use it?)"
if docker compose version >/dev/null 2>&1; then
  compose=(docker compose)
elif command -v docker-compose >/dev/null; then
  compose=(docker-compose)
else
  fail "neither 'docker compose' nor 'docker-compose' is installed"
fi
files=(-f docker-compose.yml)
[[ -z ${COMPOSE_OVERRIDE:-} ]] || files+=(-f "$COMPOSE_OVERRIDE")
dc() { "${compose[@]}" --env-file "$settings" -p "$project" "${files[@]}" --profile demo --profile receipts "$@"; }

# Neither .env nor the caller's own settings take part.
base=${PACELINE_BASE_IMAGE:-python:3.11.15-slim-bookworm}
while read -r name; do unset "$name"; done < <(compgen -e | grep -E '^(PACELINE|OTEL|GRAFANA|PROMETHEUS|ALERTMANAGER|ALERTS|RUNBOOKS|SANDBOX|RECEIPTS)_|^COMPOSE_(FILE|PROFILES|PROJECT_NAME)$')
settings_with() {
  # Port 0 is any free one: two runs, and a deployment beside them, do not meet.
  cat >"$settings" <<END
PACELINE_SECRET_KEY=$1
PACELINE_IMAGE=$image
PACELINE_BASE_IMAGE=$base
PACELINE_API_BASE=http://sandbox:8080/open
PACELINE_HTTP_DEADLINE=5
PACELINE_RECONCILE_GRACE=2
GRAFANA_PORT=127.0.0.1:0
PROMETHEUS_PORT=127.0.0.1:0
ALERTMANAGER_PORT=127.0.0.1:0
SANDBOX_PORT=127.0.0.1:0
RECEIPTS_PORT=127.0.0.1:0
PACELINE_PRIVATE=$scratch/private
END
  if [[ -n $1 ]]; then
    ENV_FILE=$settings PRIVATE=$scratch/private deploy/first-start.sh >/dev/null
  else
    for role in WORKER OPERATOR PRODUCER EXPORTER RECEIVER HOOKS GATEWAY READER; do
      printf 'PACELINE_%s_URL=rediss://valkey:6379/0\n' "$role" >>"$settings"
    done
  fi
}

ids() { docker ps -q --filter "label=com.docker.compose.project=$project" "$@"; }
of() { ids --filter "label=com.docker.compose.service=$1"; }

finish() {
  local code=$?
  trap - EXIT INT TERM
  if ((code != 0)); then
    say "what there was:"
    dc ps || true
    dc logs --tail=40 worker exporter 2>&1 | tail -120 || true
  fi
  if [[ ${KEEP:-} == 1 && -s $settings ]]; then
    for shown in grafana:3000 prometheus:9090 alertmanager:9093 sandbox:8080; do
      printf '   %s: http://%s\n' "${shown%:*}" "$(dc port "${shown%:*}" "${shown#*:}" 2>/dev/null)"
    done
    say "left running; remove it with:"
    printf '   PACELINE_SECRET_KEY=- %s -p %s --profile demo down --volumes && docker image rm %s\n' "${compose[*]}" "$project" "$image"
  else
    say "removing containers, volumes and image"
    dc down --volumes --remove-orphans --timeout 10 >/dev/null 2>&1 || true
    docker image rm "$image" >/dev/null 2>&1 || true
  fi
  rm -rf "$scratch"
  ((code == 0)) && printf 'smoke: PASSED\n'
  exit "$code"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Python in a container of the command line: it reaches state, sandbox and Prometheus, so this machine needs no tools.
inside() { dc run --rm -T --no-deps --entrypoint python cli -c "$@" </dev/null; }
paceline() { dc run --rm -T --no-deps cli "$@" </dev/null; }

# wait_until SECONDS WHAT COMMAND...
wait_until() {
  local deadline=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < deadline)) || fail "$what did not happen in time"
    sleep 2
  done
}

say "compose: ${compose[*]} ($("${compose[@]}" version --short))"
settings_with ""
refusal=$(dc config -q 2>&1) && fail "compose accepts an empty PACELINE_SECRET_KEY"
grep -q "PACELINE_SECRET_KEY" <<<"$refusal" || fail "the refusal does not name PACELINE_SECRET_KEY: $refusal"

say "building the image on $base"
settings_with "not-used-by-the-build"
dc build worker >"$scratch/build.log" 2>&1 || { tail -40 "$scratch/build.log" >&2 && fail "the image cannot be built"; }
settings_with "$(docker run --rm --network none --read-only "$image" paceline secret generate)"
[[ $(docker run --rm --network none "$image" id -u) == 10001 ]] || fail "the image runs as root"
docker image ls --format '   {{.Repository}}:{{.Tag}} {{.Size}}' "$image"

say "starting everything, with three workers, TLS and a password for each role"
dc up -d --no-build --scale worker=3 >"$scratch/up.log" 2>&1 || { cat "$scratch/up.log" >&2 && fail "it does not start"; }
# All that compose made, whatever that is: every service has a health check.
all_healthy() { (($(ids --filter health=healthy | wc -l) == $(ids --all | wc -l))); }
wait_until 180 "health of all containers" all_healthy
(($(of worker | wc -l) == 3)) || fail "there are $(of worker | wc -l) workers, not three"
say "all $(ids | wc -l) containers are healthy"

say "three campaigns of $((MESSAGES / 3)), 10 messages a second at most, each call takes 0.3 s"
inside '
import json, urllib.request
scenario = {"latency_ms": 300, "defaults": {"limits": ["600/minute"]}, "receipts": {"duplicate": 0.2, "reorder": 0.2}}
scenario = json.dumps(scenario).encode()
urllib.request.urlopen(urllib.request.Request("http://sandbox:8080/sandbox/scenario", scenario, {"Content-Type": "application/json"}, method="PUT"))'
printf 'smoke-key\n' | dc run --rm -T cli accounts add smoke --limit 600/minute --pacing window
dc run --rm -T cli receipts subscribe smoke --base-url http://receipts:9810 \
  --sender +15550100001 --sender +15550100002 --sender +15550100003 >"$scratch/subscribed" 2>&1 || { cat "$scratch/subscribed" >&2 && fail "no receipts"; }
say "receipts: $(grep -c 'subscribed$' "$scratch/subscribed") subscriptions at the provider"
# The files are made where they are read: nothing of this machine is mounted.
dc run --rm -T --entrypoint sh cli -ec "
for sender in 1 2 3; do
  python -c \"
print('to,name')
for i in range($MESSAGES // 3): print(f'+1555020{\$sender}{i:03},Person {i}')\" > /tmp/people.csv
  paceline campaign start smoke-\$sender --account smoke --from +1555010000\$sender --recipients /tmp/people.csv --template 'Hi {name}'
done"

settled() { inside '
import json, subprocess, sys
books = json.loads(subprocess.check_output(["paceline", "audit", "--json"]))[0]
print(sum(books["outcomes"].values()), "settled,", books["waiting"], "waiting,", books["in_flight"], "in flight")
sys.exit(sum(books["outcomes"].values()) < int(sys.argv[1]))' "$1"; }
wait_until 30 "the first message" settled 1

about() { docker inspect --format "{{$1}}" "$2"; }
# From beside, as when memory runs out: `docker kill` is taken for a wish to stop it, after which nothing starts it again.
kill_9() { docker run --rm --network none --pid host "$image" sh -c "kill -9 $(about .State.Pid "$1")"; }
came_back() { [[ $(about .RestartCount "$1") -gt 0 && $(about .State.Health.Status "$1") == healthy ]]; }
read -r killed stopped _ <<<"$(of worker | xargs)"
returns=1
kill_9 "$killed" || { returns=0 && docker kill "$killed" >/dev/null; } # no processes of the host are seen where Docker has user namespaces
say "killed one worker; $(settled 1)"
before=$SECONDS
docker stop "$stopped" >/dev/null # within its stop_grace_period
code=$(about .State.ExitCode "$stopped")
[[ $code == 0 ]] || fail "a worker that was stopped ended with exit code $code"
say "stopped another one: it drained in $((SECONDS - before)) s, exit code 0; $(settled 1)"
wait_until 120 "the end of the campaigns" settled "$MESSAGES"
if ((returns)); then
  wait_until 60 "the return of the killed worker" came_back "$killed"
  say "Docker started the killed worker again"
fi

say "the provider's own log"
inside '
import json, sys, urllib.request
expected = int(sys.argv[1])
report = json.load(urllib.request.urlopen("http://sandbox:8080/sandbox/report"))
totals = report["totals"]
print("  ", totals)
arrivals = [json.loads(line) for line in urllib.request.urlopen("http://sandbox:8080/sandbox/arrivals")]
print("   looked up, because the killed worker had them under way:", sum("/messages/" in a["path"] for a in arrivals))
reached = {a["body"]["to_number"] for a in arrivals if a["accepted"]}
wrong = [words for words, bad in (
    (f"{expected - len(reached)} recipients have no message", len(reached) != expected),
    (f"{totals['"'"'duplicates'"'"']} messages went twice", totals["duplicates"]),
    (f"{totals['"'"'accepted'"'"']} accepted, not {expected}", totals["accepted"] != expected),
    (f"{totals['"'"'violations'"'"']} calls over the limit", totals["violations"]),
) if bad]
sys.exit("; ".join(wrong) or 0)' "$MESSAGES" || fail "the provider saw something else than each message once"
delivered() { inside '
import json, subprocess, sys
told = json.loads(subprocess.check_output(["paceline", "receipts", "show", "smoke", "--json"]))["messages"]
print("  ", told)
sys.exit(told["received"] != int(sys.argv[1]))' "$MESSAGES"; }
say "receipts, by the receiver"
wait_until 60 "a receipt of every message" delivered
delivered
say "paceline audit"
paceline audit || fail "the books do not balance"

say "three workers again; Prometheus finds them, and scrapes all"
dc up -d --no-build --scale worker=3 >"$scratch/up.log" 2>&1 || { cat "$scratch/up.log" >&2 && fail "it does not start again"; }
wait_until 60 "health of all containers" all_healthy
targets() { inside '
import collections, json, sys, urllib.request
active = json.load(urllib.request.urlopen("http://prometheus:9090/api/v1/targets?state=active"))["data"]["activeTargets"]
found = collections.Counter((target["labels"]["job"], target["health"]) for target in active)
print("  ", dict(found))
missing = {("paceline-worker", "up"): 3, ("paceline-exporter", "up"): 1, ("paceline-receipts", "up"): 1}.items() - found.items()
sys.exit(bool(missing) or any(health != "up" for _, health in found))'; }
wait_until 120 "a scrape of 3 workers, exporter and receiver" targets
targets
inside '
import json, sys, urllib.request
groups = json.load(urllib.request.urlopen("http://prometheus:9090/api/v1/rules"))["data"]["groups"]
sick = [rule["name"] for group in groups for rule in group["rules"] if rule["health"] == "err"]
print("  ", sum(len(group["rules"]) for group in groups), "rules")
sys.exit(f"rules that fail: {sick}" if sick or not groups else 0)' || fail "Prometheus does not evaluate the rules"

say "logs of our processes: JSON, and neither a number nor the key"
for container in $(of worker) $(of exporter) $(of receipts); do docker logs "$container"; done >"$scratch/logs" 2>&1
grep -E 'smoke-key|\+1555' "$scratch/logs" >&2 && fail "the logs say too much"
inside '
import json, sys
# What Celery writes in the handler of SIGTERM.
lines = [line for line in sys.stdin if line.strip() and not line.startswith("worker: ")]
print("  ", len([json.loads(line)["event"] for line in lines]), "lines")' <"$scratch/logs" || fail "a line of the logs is no JSON"
