# shellcheck shell=bash
# Stages of a test run, for run.sh: each stage's output is shown, stored in $report, and its results are counted.

ran=() not_run=() failed=()
passes=0 failures=0 skips=0
status=0 # of the last stage
: "${report:?}"

stage() { # name, command…: the run goes on whatever happens; see $status
  local name=$1 log rc=0 began=$SECONDS
  shift
  log=$report/${name// /-}.log
  say "$name"
  "$@" 2>&1 | tee "$log" || rc=$?
  count "$log" "$rc"
  # shellcheck disable=SC2034
  status=$rc
  if [ "$rc" = 0 ]; then ran+=("$name ($((SECONDS - began)) s)"); else failed+=("$name"); fi
}

skip_stage() { # name, why
  say "SKIPPED: $1: $2"
  not_run+=("$1: ${2#SKIPPED: }")
  skips=$((skips + 1))
}

fail_stage() { # name, why
  say "FAILED: $1: $2"
  failed+=("$1")
  failures=$((failures + 1))
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
  passes=$((passes + ok)) failures=$((failures + bad)) skips=$((skips + skip))
}

summary() {
  local line
  # A Rust test that could not run says so in this file, but Rust counts it as passed.
  if [ -e "$report/skipped" ]; then
    skips=$((skips + $(wc -l <"$report/skipped"))) passes=$((passes - $(wc -l <"$report/skipped")))
    while read -r line; do not_run+=("${line#SKIPPED: }"); done <"$report/skipped"
  fi
  echo
  echo "ran: $(list "${ran[@]}")"
  [ ${#not_run[@]} = 0 ] || echo "did not run: $(list "${not_run[@]}")"
  [ ${#failed[@]} = 0 ] || echo "failed: $(list "${failed[@]}"); logs in $report"
  echo "$passes passed, $failures failed, $skips skipped"
  [ "$failures" = 0 ]
}

list() { local all; printf -v all '%s; ' "$@"; echo "${all%; }"; }
