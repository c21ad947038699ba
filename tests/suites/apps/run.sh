#!/usr/bin/env bash
# Runs small applications on real frameworks through the proxy and measures which server their reads went to; see README.md.
set -u

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=../../setup/lib.sh
. "$here/../../setup/lib.sh"
cache=$CACHE/apps
all=(spring spring_prepared spring_two spring_mariadbj spring_two_mariadbj hibernate django django_pymysql sqlalchemy rails rails_prepared laravel laravel_emulated knex prisma gorm gorm_prepared)
rw='' ro='' primary='' replicas=() flavor=mariadb only='' database=sbtest limit=180 min_share=95 show=5 install_only=0 consistency=session

usage() {
  echo "usage: run.sh --rw PORT --ro PORT --flavor mariadb|mysql --direct-primary PORT --replica PORT [--replica PORT …]"
  echo "              [--only app,…] [--min-share PERCENT] [--show N] [--database sbtest] [--limit SECONDS per app]"
  echo "              [--consistency session|strong]   session: no check reads what another session has just written"
  echo "       run.sh --list | --install [--only app,…]"
  exit 2
}

while [ $# -gt 0 ]; do
  case $1 in
    --list) printf '%s\n' "${all[@]}"; exit 0 ;;
    --install) install_only=1; shift; continue ;;
  esac
  [ $# -ge 2 ] || usage
  case $1 in
    --replica) replicas+=("$2") ;;
    --direct-primary) primary=$2 ;;
    --min-share) min_share=$2 ;;
    --rw | --ro | --flavor | --only | --show | --database | --limit | --consistency) printf -v "${1#--}" %s "$2" ;;
    *) usage ;;
  esac
  shift 2
done
if [ "$install_only" = 0 ]; then
  [ -n "$rw" ] && [ -n "$ro" ] && [ -n "$primary" ] && [ ${#replicas[@]} -gt 0 ] || usage
fi

mkdir -p "$cache"
results=$(mktemp -d)
log=$results/install
: >"$results/lines"
trap on_exit EXIT
on_exit() {
  [ "$install_only" = 1 ] || [ -z "$primary" ] || python3 "$here/share.py" off "$primary" "${replicas[@]}"
  rm -rf "$results"
}
# shellcheck source-path=SCRIPTDIR source=install.sh
. "$here/install.sh"

export PM_HOST=127.0.0.1 PM_RW=$rw PM_RO=$ro PM_USER=app PM_PASSWORD=app PM_DATABASE=$database PM_FLAVOR=$flavor PM_CONSISTENCY=$consistency
export PM_SHARED=$here/shared PYTHONDONTWRITEBYTECODE=1
# What an application runs where replicas must have its writes.
printf -v PM_CATCH_UP '%q ' python3 "$here/share.py" wait "$primary" "${replicas[@]}"
export PM_CATCH_UP

admin() { # statements, [port: the primary's]
  local account=${PM_ADMIN:-super:super}
  mariadb --no-defaults --skip-ssl -h127.0.0.1 -P"${2:-$primary}" -u"${account%%:*}" -p"${account#*:}" -N -B -e "$1"
}

# Each application starts from an empty schema that the replicas have too.
fresh() {
  local port _ there
  admin "DROP DATABASE IF EXISTS $database; CREATE DATABASE $database CHARACTER SET utf8mb4; CREATE TABLE $database.fresh_$1 (id INT)"
  for port in "${replicas[@]}"; do
    for _ in $(seq 600); do
      there=$(admin "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = '$database' AND table_name = 'fresh_$1'" "$port")
      [ "$there" != 1 ] || continue 2
      sleep 0.1
    done
    echo "FAIL $1 fresh the replica on $port does not follow"
    return 1
  done
  admin "DROP TABLE $database.fresh_$1"
}

# What the program did not report has failed, whatever its exit status says.
unreported() { # app, exit status
  local check
  while read -r check; do
    grep -qE "^[a-zA-Z]+ $1 $check\b" "$results/$1" || echo "FAIL $1 $check not reported (exit status $2)"
  done <"$here/shared/checks.txt"
  if [ "$2" != 0 ] && ! grep -q '^FAIL' "$results/$1"; then echo "FAIL $1 exit status $2"; fi
  if [ "$2" != 0 ]; then tail -n 15 "$results/stderr" | sed 's/^/     /'; fi
}

# Only the phase `reads` is judged; others are for information.
shares() { # app
  local phase begin end reads judge port of_replicas=()
  for port in "${replicas[@]}"; do of_replicas+=(--replica "$port"); done
  grep -q '^phase reads ' "$results/$1" || echo "FAIL $1 share_reads no such phase"
  grep '^phase ' "$results/$1" | while read -r _ phase begin end reads; do
    judge=()
    [ "$phase" != reads ] || judge=(--min-share "$min_share")
    python3 "$here/share.py" phase --app "$1" --phase "$phase" --from "$begin" --to "$end" --reads "$reads" \
      --primary "$primary" "${of_replicas[@]}" --show "$show" "${judge[@]}"
  done
}

run_app() { # app
  local status
  fresh "$1" || return
  timeout --kill-after=10 "$limit" "${command[@]}" 2>"$results/stderr" </dev/null | tee "$results/$1" | grep -v '^phase '
  status=${PIPESTATUS[0]}
  unreported "$1" "$status"
  shares "$1"
}

# Once: each switch of the log under load is one more chance for a server to fail.
if [ "$install_only" = 0 ]; then python3 "$here/share.py" on "$primary" "${replicas[@]}" || { echo "FAIL - no general log"; exit 1; }; fi
IFS=, read -ra apps <<<"${only:-$(IFS=,; echo "${all[*]}")}"
for app in "${apps[@]}"; do
  command=() why=''
  if ! declare -F "prepare_$app" >/dev/null; then
    echo "FAIL $app - unknown; known: ${all[*]}"
  else
    "prepare_$app"
    case $? in
      0) if [ "$install_only" = 1 ]; then echo "ok $app install"; else run_app "$app"; fi ;;
      1) echo "SKIPPED $app: $why" ;;
      *) echo "FAIL $app install $why" ;;
    esac
  fi | tee -a "$results/lines"
done

count() { grep -c "^$1 " "$results/lines"; }
echo "apps: $(count ok) checks ok, $(count FAIL) failed, $(count skip) skipped, $(count SKIPPED) skipped applications"
grep -E '^(SKIPPED|FAIL|skip) ' "$results/lines" | sed 's/^/  /'
[ "$(count ok)" -gt 0 ] || [ "$(count SKIPPED)" -gt 0 ] || echo "FAIL - nothing ran" | tee -a "$results/lines"
! grep -q '^FAIL ' "$results/lines"
