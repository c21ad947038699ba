#!/usr/bin/env bash
# Runs real clients against a MySQL-protocol endpoint; one line per client and feature, see README.md.
set -u

here=$(cd "$(dirname "$0")" && pwd)
cache=${POINTSMAN_CACHE:-$HOME/.cache/pointsman}/clients
all=(mariadb mysql pymysql connpy_pure connpy_c mysql2 sqlx mysql_async go connj mariadbj)
host=127.0.0.1 port=3306 user=app password=app database=test flavor=mariadb only="" features="" limit=600 tls=0

usage() {
  echo "usage: run.sh --port P [--host H] [--user app] [--password app] [--database test] [--flavor mariadb|mysql]"
  echo "              [--only client,…] [--features feature,…] [--limit SECONDS per client] [--tls] | --list | --install"
  echo "       run.sh noleak --port P [options, see README.md]"
  echo "       run.sh model --direct P1 --proxy P2 [--ops N] [--seed S] [--direct-database test] [--proxy-database sbtest] [--host H] [--user U] [--password P]"
  echo "       run.sh rolling --binary POINTSMAN --cluster DIR [--form short|full|measure] [--log FILE]"
  echo "       run.sh matrix --binary POINTSMAN [--flavor mariadb,mysql] [--sources users|accounts] [--only driver,…] [--short] [--table] [--log FILE]"
  echo "       run.sh own --binary POINTSMAN [--only test,…] [--modes primary,split] [--log FILE]"
  echo "       run.sh opensrv --binary POINTSMAN [--log FILE]"
  echo "       run.sh equality --flavor F --direct P --proxy P --primary P --replicas P,P [--corpus DIR] [--only file,…] [--passes fast,paced,prepared] [--masks]"
  exit 2
}

# Programs that compare a direct connection with the proxy; they are not clients.
program="" arguments=()
case ${1:-} in
  model | noleak | equality | opensrv | rolling | matrix | own)
    program=$1
    shift
    [ $# -ge 1 ] || usage
    arguments=("$@")
    set --
    ;;
esac

install_only=0
while [ $# -gt 0 ]; do
  case $1 in
    --list) printf '%s\n' "${all[@]}"; exit 0 ;;
    --install) install_only=1; shift; continue ;;
    --tls) tls=1; shift; continue ;;
    --host | --port | --user | --password | --database | --flavor | --only | --features | --limit)
      [ $# -ge 2 ] || usage
      printf -v "${1#--}" %s "$2"; shift 2 ;;
    *) usage ;;
  esac
done
case $flavor in mariadb | mysql) ;; *) usage ;; esac

mkdir -p "$cache"
export PM_HOST=$host PM_PORT=$port PM_USER=$user PM_PASSWORD=$password PM_DATABASE=$database PM_FLAVOR=$flavor PM_TLS=$tls
export PM_FEATURES=$features PM_SHARED=$here/shared PM_LOAD_FILE=$cache/load-10000.tsv PYTHONDONTWRITEBYTECODE=1
awk 'BEGIN { for (i = 1; i <= 10000; i++) printf "%d\tline %d\t%s\n", i, i, (i % 10 == 0 ? "\\N" : 2 * i) }' > "$PM_LOAD_FILE.$$"
mv "$PM_LOAD_FILE.$$" "$PM_LOAD_FILE"

results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT
log=$results/install

# need TOOL…: whether the tools are here; says what is missing.
need() {
  local tool
  for tool in "$@"; do
    command -v "$tool" > /dev/null 2>&1 || { why="no $tool on this machine"; return 1; }
  done
}

# once NAME FILE… -- COMMAND…: runs COMMAND unless it succeeded before with the same FILEs; other runs wait.
once() {
  local name=$1 stamp files=()
  shift
  while [ "$1" != -- ]; do files+=("$1"); shift; done
  shift
  stamp=$(cat "${files[@]}" | sha256sum | cut -d' ' -f1)
  (
    flock 9
    [ "$(cat "$cache/$name.stamp" 2> /dev/null)" = "$stamp" ] && exit 0
    "$@" > "$log" 2>&1 && echo "$stamp" > "$cache/$name.stamp"
  ) 9> "$cache/$name.lock" || { why="install failed: $(tail -n 3 "$log" | tr '\n' ' ')"; return 2; }
}

venv() {
  rm -rf "$1" && python3 -m venv "$1" && "$1/bin/pip" install -q -r "$2"
}

node_modules() {
  mkdir -p "$cache/mysql2" && cp "$here"/mysql2/package*.json "$cache/mysql2/" && cd "$cache/mysql2" && npm ci --no-audit --no-fund
}

cargo_build() {
  cargo build --release --locked --manifest-path "$here/rust/Cargo.toml" --target-dir "$cache/rust-target"
}

go_build() {
  cd "$here/go" && export GOMODCACHE=$cache/go-mod GOFLAGS=-modcacherw &&
    go build -o "$cache/go-client" . && go build -o "$cache/go-rolling" ./rolling && go build -o "$cache/go-matrix" ./matrix
}

java_build() {
  mvn -q -B -f "$here/java/pom.xml" -Dmaven.repo.local="$cache/m2" -DbuildDirectory="$cache/java-target" package
}

# prepare_CLIENT sets `command` (an array); 1 means that something is missing on this machine, 2 that an install failed.
prepare_mariadb() { need python3 mariadb && command=(python3 "$here/cli/client.py" mariadb "$(command -v mariadb)"); }
mysql_program() { # sets program_found
  program_found=${PM_MYSQL:-$(ls "$cache"/../mysql97/bin/mysql "$cache"/../mysql97/*/bin/mysql 2> /dev/null | head -n 1)}
  [ -n "$program_found" ] || { why="no MySQL 9.7 command line (tests/setup/mysql97.sh installs it)"; return 1; }
}
prepare_mysql() {
  mysql_program && need python3 || return
  local program=$program_found
  # MySQL 9 has no mysql_native_password on the client's side: only an endpoint that offers another plugin will do.
  if "$program" --no-defaults -h"$host" -P"$port" -u"$user" -p"$password" --ssl-mode=DISABLED --get-server-public-key \
    -e 'DO 1' 2>&1 | grep -q "2059.*mysql_native_password"; then
    why="this endpoint wants mysql_native_password, which MySQL 9's command line no longer has"
    return 1
  fi
  command=(python3 "$here/cli/client.py" mysql "$program")
}
prepare_python() {
  need python3 && once "$1" "$here/$2" -- venv "$cache/$1" "$here/$2" && command=("$cache/$1/bin/python" -W ignore "${@:3}")
}
prepare_pymysql() { prepare_python venv-pymysql pymysql/requirements.txt "$here/pymysql/client.py"; }
# Without TLS this driver only has caching_sha2_password's fast path: let another client fill a MySQL server's cache.
warm_up() { mariadb --no-defaults --skip-ssl -h"$host" -P"$port" -u"$user" -p"$password" -e 'DO 1' > /dev/null 2>&1 || true; }
prepare_connpy_pure() { warm_up; prepare_python venv-connpy connpy/requirements.txt "$here/connpy/client.py" pure; }
prepare_connpy_c() { warm_up; prepare_python venv-connpy-c connpy/requirements-c.txt "$here/connpy/client.py" c; }
prepare_mysql2() {
  need node npm && once mysql2 "$here/mysql2/package-lock.json" -- node_modules &&
    export NODE_PATH=$cache/mysql2/node_modules && command=(node "$here/mysql2/client.js")
}
prepare_rust() {
  need cargo && once rust "$here"/rust/Cargo.lock $(find "$here/rust/src" -name '*.rs') -- cargo_build &&
    command=("$cache/rust-target/release/$1")
}
prepare_sqlx() { prepare_rust client-sqlx; }
prepare_mysql_async() { prepare_rust client-mysql-async; }
prepare_go() { need go && once go "$here"/go/go.sum "$here"/go/*.go "$here"/go/*/*.go -- go_build && command=("$cache/go-client"); }
prepare_java() {
  need java mvn && once java "$here/java/pom.xml" $(find "$here/java/src" -name '*.java') -- java_build &&
    command=(java -Xmx1g -cp "$cache/java-target/clients.jar:$cache/java-target/lib/*" pointsman.clients.Client "$1")
}
prepare_connj() { prepare_java connj; }
prepare_mariadbj() { prepare_java mariadbj; }

# Applications on pools while two proxies are restarted, see README.md; what HikariCP does not notice is only measured.
rolling() {
  local form=short options=() programs=() pools=() driver
  while [ $# -gt 0 ]; do
    if [ "$1" = --form ]; then form=$2; else options+=("$1" "$2"); fi
    shift 2
  done
  case $form in
    short) options+=(--rounds 1 --timeout 16s) ;;
    full) options+=(--rounds 2 --timeout 45s) ;;
    measure) options+=(--rounds 2 --timeout 20s) ;;
    *) usage ;;
  esac
  for driver in connj mariadbj; do
    if [ "$form" = measure ]; then pools+=("$driver:$driver:-:-:2,6,6,6")
    else pools+=("${driver}_asks:$driver:-1:-:2,6,6,6"); fi
    [ "$form" != full ] || pools+=("${driver}_lives_30s:$driver:-:30000:2,6,6,6")
  done
  need python3 || { echo "SKIPPED rolling - $why"; return; }
  if prepare_go; then programs+=(-- "$cache/go-rolling"); else echo "SKIPPED go - $why"; fi
  if prepare_java connj; then
    programs+=(-- java -Xmx512m -cp "$cache/java-target/clients.jar:$cache/java-target/lib/*" pointsman.clients.Rolling "${pools[@]}")
  else
    echo "SKIPPED hikari - $why"
  fi
  [ ${#programs[@]} = 0 ] || python3 "$here/rolling/rolling.py" "${options[@]}" "${programs[@]}"
}
if [ "$program" = rolling ]; then
  rolling "${arguments[@]}"
  exit
fi
# The logins of all drivers, see matrix/README.md.
if [ "$program" = matrix ]; then
  . "$here/matrix/matrix.sh"
  matrix "${arguments[@]}"
  exit
fi

# MariaDB's own tests, see own/own.py.
if [ "$program" = own ]; then
  python3 -B "$here/own/own.py" "${arguments[@]}"
  exit
fi

if [ -n "$program" ]; then
  case $program in model) binary=session-model ;; *) binary=$program ;; esac
  prepare_rust "$binary" || { echo "SKIPPED $program - $why"; exit 1; }
  "${command[@]}" "${arguments[@]}"
  exit
fi

if [ $install_only = 0 ] && ! (exec 3<> "/dev/tcp/$host/$port") 2> /dev/null; then
  echo "FAIL - - nothing listens on $host:$port"
  exit 1
fi

IFS=, read -ra clients <<< "${only:-$(IFS=,; echo "${all[*]}")}"
: > "$results/lines"
for client in "${clients[@]}"; do
  command=() why=""
  if ! declare -F "prepare_$client" > /dev/null; then
    echo "FAIL $client - unknown client; known: ${all[*]}" | tee -a "$results/lines"
    continue
  fi
  "prepare_$client"
  case $? in
    0) ;;
    1) echo "SKIPPED $client - $why" | tee -a "$results/lines"; continue ;;
    *) echo "FAIL $client install $why" | tee -a "$results/lines"; continue ;;
  esac
  [ $install_only = 1 ] && { echo "ok $client install" | tee -a "$results/lines"; continue; }
  began=$SECONDS
  timeout --kill-after=10 "$limit" "${command[@]}" 2> "$results/stderr" | tee "$results/$client"
  status=${PIPESTATUS[0]}
  {
    # What the program did not report has failed, whatever its exit status says.
    while read -r feature; do
      case ",${features:-$feature}," in *",$feature,"*) ;; *) continue ;; esac
      grep -q "^[a-zA-Z]* $client $feature\b" "$results/$client" || echo "FAIL $client $feature not reported (exit status $status)"
    done < "$here/shared/features.txt"
    if [ "$status" != 0 ] && ! grep -q '^FAIL' "$results/$client"; then
      echo "FAIL $client exit status $status after $((SECONDS - began)) s: $(tail -n 3 "$results/stderr" | tr '\n' ' ')"
    fi
  } | tee "$results/$client.more"
  cat "$results/$client" "$results/$client.more" >> "$results/lines"
done

count() { grep -c "^$1 " "$results/lines"; }
echo "clients: $(count ok) ok, $(count FAIL) failed, $(count skip) skipped features, $(count SKIPPED) skipped clients"
grep -E '^(SKIPPED|FAIL) ' "$results/lines" | sed 's/^/  /'
! grep -q '^FAIL ' "$results/lines"
