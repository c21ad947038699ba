# shellcheck shell=bash
# Shared by the set-up scripts: the cache folder, becoming root, reporting.

# Downloads and initialised data are kept here; delete this folder to start over.
# shellcheck disable=SC2034  # used by those who source this
CACHE=${POINTSMAN_CACHE:-${HOME:-/root}/.cache/pointsman}

# The exit code of a script whose programs are not available here. A failure has another code.
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

# Whether somebody listens on a port of this machine, or holds it without listening (hold_port).
port_taken() {
  if ! command -v perl >/dev/null; then (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; return; fi
  ! perl -MSocket -e 'socket(my $s, PF_INET, SOCK_STREAM, 0) or die; setsockopt($s, SOL_SOCKET, SO_REUSEADDR, 1);
    exit !(bind($s, sockaddr_in($ARGV[0], INADDR_LOOPBACK)) && listen($s, 1))' "$1"
}

# Holds a port until it is killed, so that nobody else takes it while a server that shares it (SO_REUSEPORT) restarts. It
# does not listen: who connects while there is no server is refused, as ever. Runs in place of the calling shell; the
# second argument stands in its command line, by which a process is known as ours.
hold_port() { # port, name
  exec perl -MSocket -e 'socket(my $s, PF_INET, SOCK_STREAM, 0) or die $!;
    setsockopt($s, SOL_SOCKET, SO_REUSEPORT, 1) or die $!;
    bind($s, sockaddr_in($ARGV[0], INADDR_LOOPBACK)) or die "port $ARGV[0]: $!\n"; sleep' "$1" "$2"
}

# A port nobody listens on, below those the kernel takes for outgoing connections: so that a server that was
# killed finds it free when it comes back. All scripts take turns: a port comes again after 9,999 others, so
# it needs no reservation until somebody listens. The Rust tests have 22000 to 31999.
free_port() {
  local counter port
  counter=$CACHE/last-port
  mkdir -p "$CACHE"
  (
    flock 8
    port=$(cat "$counter")
    # The first of all: anywhere, should another user's have begun too.
    [[ $port =~ ^(1[2-9]|2[01])[0-9]{3}$ ]] || port=$((12000 + RANDOM % 10000))
    while :; do
      port=$((port < 21999 ? port + 1 : 12000))
      port_taken "$port" || break
    done
    echo "$port" >"$counter"
    echo "$port"
  ) 8>>"$counter"
}

# Ends these processes, which the calling shell started, and waits for them.
end_processes() { # process id …
  local pid
  for pid; do kill "$pid" 2>/dev/null || true; done
  for pid; do wait "$pid" 2>/dev/null || true; done
}
