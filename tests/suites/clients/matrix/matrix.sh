# shellcheck shell=bash disable=SC2154  # here, cache, log and results are those of run.sh
# The matrix of logins, for run.sh: installs the drivers' probes, then matrix.py runs them. See README.md of this folder.

matrix_folder=$here/matrix
# The suites' drivers first: CI has them in any case.
suite_drivers=(mariadb mysql pymysql connpy_pure connpy_c node_mysql2 node_mariadb connj mariadbj go sqlx mysql_async)
more_drivers=(mysqlclient asyncmy mysqli pdo ruby_mysql2 dbd_mysql dbd_mariadb)

matrix_venv() {
  venv "$cache/venv-matrix" "$matrix_folder/requirements.txt"
}
debian_package() { # package…: installs what is missing
  local missing=() package
  for package in "$@"; do
    dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2> /dev/null | grep -q '^ii' || missing+=("$package")
  done
  [ ${#missing[@]} = 0 ] || "$here/../../setup/deps.sh" packages "${missing[@]}" > "$log" 2>&1 ||
    { why="Debian's packages ${missing[*]} could not be installed: $(tail -n 1 "$log")"; return 2; }
}

probe_python() { command=("$cache/$1/bin/python" -W ignore "$matrix_folder/probes/probe.py" "${@:2}"); }
probe_mariadb() { need python3 mariadb && command=(python3 "$matrix_folder/probes/probe.py" mariadb "$(command -v mariadb)"); }
probe_mysql() {
  need python3 && mysql_program && command=(python3 "$matrix_folder/probes/probe.py" mysql "$program_found")
}
probe_pymysql() { prepare_python venv-pymysql pymysql/requirements.txt && probe_python venv-pymysql pymysql; }
probe_connpy_pure() { prepare_python venv-connpy connpy/requirements.txt && probe_python venv-connpy connpy_pure; }
probe_connpy_c() { prepare_python venv-connpy-c connpy/requirements-c.txt && probe_python venv-connpy-c connpy_c; }
probe_more_python() {
  debian_package libmariadb-dev && need python3 &&
    once venv-matrix "$matrix_folder/requirements.txt" -- matrix_venv && probe_python venv-matrix "$1"
}
probe_mysqlclient() { probe_more_python mysqlclient; }
probe_asyncmy() { probe_more_python asyncmy; }
probe_node_mysql2() { prepare_mysql2 && command=(node "$matrix_folder/probes/probe.js" mysql2); }
probe_node_mariadb() { prepare_mysql2 && command=(node "$matrix_folder/probes/probe.js" mariadb); }
probe_connj() { prepare_java connj && command=(java -Xmx256m -cp "$cache/java-target/clients.jar:$cache/java-target/lib/*" pointsman.clients.Matrix connj); }
probe_mariadbj() { probe_connj && command[-1]=mariadbj; }
probe_go() { prepare_go && command=("$cache/go-matrix"); }
probe_sqlx() { prepare_rust matrix && command+=(sqlx); }
probe_mysql_async() { prepare_rust matrix && command+=(mysql_async); }
probe_mysqli() { debian_package php-cli php-mysql && command=(php "$matrix_folder/probes/probe.php" mysqli); }
probe_pdo() { debian_package php-cli php-mysql && command=(php "$matrix_folder/probes/probe.php" pdo); }
probe_ruby_mysql2() { debian_package ruby ruby-mysql2 && command=(ruby "$matrix_folder/probes/probe.rb"); }
probe_dbd_mysql() { debian_package libdbd-mysql-perl && command=(/usr/bin/perl "$matrix_folder/probes/probe.pl" mysql); }
probe_dbd_mariadb() { debian_package libdbd-mariadb-perl && command=(/usr/bin/perl "$matrix_folder/probes/probe.pl" MariaDB); }

# One line per driver: its command, or why it is skipped.
matrix_drivers() { # file, driver…
  local file=$1 driver
  shift
  : > "$file"
  for driver in "$@"; do
    command=() why=""
    declare -F "probe_$driver" > /dev/null || { echo "FAIL $driver unknown driver; known: ${suite_drivers[*]} ${more_drivers[*]}"; return 1; }
    if "probe_$driver"; then
      printf '%s\t%s\n' "$driver" "$(IFS=$'\x1f'; echo "${command[*]}")" >> "$file"
      [ "$matrix_install" = 0 ] || echo "ok $driver install"
    else
      printf '%s\tSKIPPED\t%s\n' "$driver" "$why" >> "$file"
      [ "$matrix_install" = 0 ] || echo "SKIPPED $driver - $why"
    fi
  done
}

matrix() {
  local binary="" kinds=mariadb,mysql only="" sources=accounts log_file="" short=0 table=0 drivers kind failed=0
  matrix_install=0
  while [ $# -gt 0 ]; do
    case $1 in
      --short) short=1; shift; continue ;;
      --table) table=1; shift; continue ;;
      --install) matrix_install=1; shift; continue ;;
    esac
    [ $# -ge 2 ] || usage
    case $1 in
      --binary) binary=$2 ;;
      --flavor) kinds=$2 ;;
      --only) only=$2 ;;
      --sources) sources=$2 ;;
      --log) log_file=$2 ;;
      *) usage ;;
    esac
    shift 2
  done
  if [ -n "$only" ]; then IFS=, read -ra drivers <<< "$only"
  elif [ $short = 1 ]; then drivers=("${suite_drivers[@]}")
  else drivers=("${suite_drivers[@]}" "${more_drivers[@]}"); fi
  matrix_drivers "$results/drivers" "${drivers[@]}" || return 1
  [ $matrix_install = 0 ] || return 0
  [ -x "$binary" ] || { echo "FAIL - - no program $binary"; return 1; }
  for kind in ${kinds//,/ }; do
    python3 "$matrix_folder/matrix.py" --kind "$kind" --binary "$binary" --sources "$sources" --drivers "$results/drivers" \
      --results "$results/logins" ${log_file:+--log "$log_file"} || failed=1
  done
  [ $short = 0 ] || echo "SKIPPED ${more_drivers[*]} - not in the short form"
  [ $table = 0 ] || python3 "$matrix_folder/table.py" "$results/logins" || failed=1
  return $failed
}
