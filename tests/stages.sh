# shellcheck shell=bash
# Stages of a test run, for run.sh: each stage's output is shown, stored in $report, and its results are counted.

status=0 # of the last stage of this shell
: "${report:?}"

stage() { # name, command…: the run goes on whatever happens; see $status
  local name=$1 log rc=0 began=$SECONDS try
  shift
  log=$report/${name// /-}.log
  for ((try = 1; ; try++)); do
    rc=0
    # The shell waits for it like this, so that a signal is heard at once.
    if [ -n "${lane:-}" ]; then
      "$@" >"$log" 2>&1 &
    else
      say "$name"
      { "$@" 2>&1 | tee "$log"; } &
    fi
    stage_pid=$!
    wait "$stage_pid" || rc=$?
    stage_pid=
    [ -z "${lane:-}" ] || { flock 8; say "$name"; cat "$log"; } 8>>"$report/shown"
    if [ "$rc" = 0 ] || [ "$try" -ge "${tries:-1}" ]; then break; fi
    say "FAILED, and tried again: $name"
    cp "$log" "$log.$try"
    note unsteady "$name"
  done
  count "$log" "$rc"
  # shellcheck disable=SC2034
  status=$rc
  if [ "$rc" = 0 ]; then note ran "$name ($((SECONDS - began)) s)"; else note failed "$name"; fi
}
# A stage of real drivers, browsers and pods, which two cores may let wait for longer than they accept. What passes only at
# the second try is named in the run's last lines, and is a defect of the test or of the proxy that somebody must find.
# Stages that look for wrong answers have one try.
unsteady_stage() { tries=2 stage "$@"; } # as stage
note() { echo "$2" >>"$report/$1.list"; }

skip_stage() { # name, why
  say "SKIPPED: $1: $2"
  note not_run "$1: ${2#SKIPPED: }"
  note counts "0 0 1"
}

fail_stage() { # name, why
  say "FAILED: $1: $2"
  note failed "$1"
  note counts "0 1 0"
}

# Adds up what a log says: Rust's "test result" lines, or lines that begin with ok, FAIL, skip, SKIPPED
# (the fuzzer has its own); a stage that prints neither is one test.
count() { # log, exit code
  local ok bad skip
  read -r ok bad skip < <(awk '
    /^test result: / { rust = 1
      for (i = 1; i < NF; i++) { if ($(i+1) ~ /^passed/) ok += $i; if ($(i+1) ~ /^failed/) bad += $i; if ($(i+1) ~ /^ignored/) skip += $i } }
    /^fuzz: [^ ]* ok/ { lines++; l_ok++ } /^fuzz: [^ ]* FAILED/ { lines++; l_bad++ } /^fuzz: SKIPPED/ { lines++; l_skip++ }
    /^ok / { lines++; l_ok++ } /^FAIL / { lines++; l_bad++ } /^(skip|SKIPPED) / { lines++; l_skip++ }
    END { if (!rust && lines) { ok = l_ok; bad = l_bad; skip = l_skip } print ok + 0, bad + 0, skip + 0 }' "$1")
  if [ $((ok + bad + skip)) = 0 ]; then
    if [ "$2" = 0 ]; then ok=1; fi
  fi
  # Failing without a failed test (a crash, a compile error) counts too.
  if [ "$2" != 0 ] && [ "$bad" = 0 ]; then bad=1; fi
  note counts "$ok $bad $skip"
}

# The first errors of a failed stage, for the run's last lines: of each failed Rust test from its panic on, else the lines
# that begin with FAIL, else the log's end.
first_errors() { # name
  local log=$report/${1// /-}.log
  [ -e "$log" ] || return 0
  echo "== $1"
  awk '
    /^---- .* stdout ----$/ { name = $2; shown = 0; panicked = 0; next }
    /^failures:$/ || /^test result: / || /^stack backtrace:$/ { name = "" }
    name != "" && !panicked && / panicked at / { panicked = 1; print name ":"; any = 1 }
    name != "" && panicked && NF && !/^note: run with/ && shown++ < 40 { print "  " substr($0, 1, 400) }
    /^FAIL / && fails++ < 20 { print substr($0, 1, 400); any = 1 }
    { last[NR % 15] = $0 }
    END { if (!any) for (i = NR - 14; i <= NR; i++) if (i > 0) print substr(last[i % 15], 1, 400) }' "$log"
}

summary() {
  local passes=0 failures=0 skips=0 ok bad skip line
  while read -r ok bad skip; do
    passes=$((passes + ok)) failures=$((failures + bad)) skips=$((skips + skip))
  done < <(cat "$report/counts.list" 2>/dev/null)
  # A Rust test that could not run says so in this file, but Rust counts it as passed.
  if [ -e "$report/skipped" ]; then
    skips=$((skips + $(wc -l <"$report/skipped"))) passes=$((passes - $(wc -l <"$report/skipped")))
    while read -r line; do note not_run "${line#SKIPPED: }"; done <"$report/skipped"
  fi
  echo
  if [ -e "$report/failed.list" ]; then
    while read -r line; do first_errors "$line"; done <"$report/failed.list"
    echo
  fi
  echo "ran: $(list ran)"
  [ ! -e "$report/not_run.list" ] || echo "did not run: $(list not_run)"
  [ ! -e "$report/failed.list" ] || echo "failed: $(list failed); logs in $report"
  [ ! -e "$report/unsteady.list" ] || echo "failed at the first try: $(list unsteady)"
  echo "$passes passed, $failures failed, $skips skipped"
  [ "$failures" = 0 ] && [ ! -e "$report/failed.list" ]
}

list() { [ ! -e "$report/$1.list" ] || awk '{ printf "%s%s", (NR > 1 ? "; " : ""), $0 }' "$report/$1.list"; }
