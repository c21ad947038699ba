#!/usr/bin/env python3
"""Compares the native histograms that a Prometheus stores of the job "both" with the classic ones of the same job. Prints
"ok …" or "FAIL …" for each.
usage: histograms.py PROMETHEUS_URL"""
import json
import math
import sys
import time
import urllib.parse
import urllib.request

NAMES = {"pointsman_statement_duration_seconds": "port", "pointsman_server_statement_duration_seconds": "server",
         "pointsman_consistency_wait_seconds": "pod"}
QUANTILES = (0.1, 0.5, 0.9, 0.99, 1)
# How much wider a native bucket's end is than its beginning.
WIDTH = 2 ** (1 / 8)


def ask(url, expression, at):
    """Returns the values by the first label that is left."""
    query = urllib.parse.urlencode({"query": expression, "time": at})
    with urllib.request.urlopen(f"{url}/api/v1/query?{query}", timeout=10) as answer:
        result = json.load(answer)["data"]["result"]
    return {next(iter(one["metric"].values()), ""): float(one["value"][1]) for one in result}


def bounds(url, name, at):
    """Returns the ends of the classic buckets, 0 first."""
    ends = ask(url, f'count by (le) ({name}_bucket{{job="both"}})', at)
    return sorted({0.0, *(float(le) for le in ends)})


def differences(url, name, label, at):
    of = f'{name}{{job="both"}}'
    native = {what: ask(url, f"sum by ({label}) (histogram_{what}({of}))", at) for what in ("count", "sum")}
    classic = {what: ask(url, f'sum by ({label}) ({name}_{what}{{job="both"}})', at) for what in ("count", "sum")}
    if not native["count"]:
        yield "no native histogram"
    for what in ("count", "sum"):
        if native[what] != classic[what]:
            yield f"{what}: native {native[what]}, classic {classic[what]}"
    ends = bounds(url, name, at)
    for quantile in QUANTILES:
        fine = ask(url, f"histogram_quantile({quantile}, sum by ({label}) ({of}))", at)
        coarse = ask(url, f'histogram_quantile({quantile}, sum by ({label}, le) ({name}_bucket{{job="both"}}))', at)
        for key in fine.keys() | coarse.keys():
            exact, about = fine.get(key, math.nan), coarse.get(key, math.nan)
            if math.isnan(exact) and math.isnan(about) and not classic["count"].get(key):
                continue
            # The ends of the classic bucket in which the quantile is. If it is the end of a bucket, the buckets up to there have
            # just that share of the statements (half of them for the median), so the next bucket that has any is right, too.
            high = next((end for end in ends if end >= about), math.inf)
            low = max((end for end in ends if end < high), default=0)
            if about == high and quantile < 1:
                high = math.inf
            if not low / WIDTH <= exact <= high * WIDTH:
                yield f"quantile {quantile} of {key}: native {exact}, classic {about} (from {low} to {high})"


def main(url):
    at = time.time() - 1  # One moment for all questions.
    failed = False
    for name, label in NAMES.items():
        wrong = list(differences(url, name, label, at))
        failed |= bool(wrong)
        print(f"FAIL {name}: {'; '.join(wrong)}" if wrong else f"ok {name}: native and classic histograms agree", flush=True)
    sys.exit(failed)


main(*sys.argv[1:])
