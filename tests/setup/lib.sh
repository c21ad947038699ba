# shellcheck shell=bash
# Shared by the set-up scripts: where things are cached, how to become root, how to report.

# Everything downloaded or initialised once is kept here; delete it to start over.
# shellcheck disable=SC2034  # used by those who source this
CACHE=${POINTSMAN_CACHE:-${HOME:-/root}/.cache/pointsman}

# Exit code of a script that cannot provide its thing here, as opposed to one that failed.
# shellcheck disable=SC2034
SKIPPED=77

say() { printf '%s\n' "== $*" >&2; }
die() { printf '%s\n' "error: $*" >&2; exit 1; }

# Runs a command as root: directly, or through sudo without asking.
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif command -v sudo >/dev/null; then sudo -n "$@"
  else die "needs root or sudo: $*"
  fi
}

# Runs a command quietly; its output is shown only if it fails.
quiet() {
  local log rc=0
  log=$(mktemp)
  "$@" >"$log" 2>&1 </dev/null || rc=$?
  [ "$rc" = 0 ] || tail -n 40 "$log" >&2
  rm -f "$log"
  return "$rc"
}

# Whether something listens on a port of this machine.
port_taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# A port nobody listens on, below those the kernel takes for outgoing connections: so that a server that was
# killed finds it free when it comes back.
free_port() {
  local port
  while :; do
    port=$((12000 + (RANDOM * 32768 + RANDOM) % 20000))
    port_taken "$port" || break
  done
  echo "$port"
}
