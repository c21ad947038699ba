#!/usr/bin/env python3
"""Asks a Prometheus for everything that the dashboard shows, for each job. Prints "ok …" or "FAIL …" for each panel: one is
wrong if it has an expression without a sample other than NaN.
usage: dashboard.py DASHBOARD PROMETHEUS_URL JOB…"""
import itertools
import json
import math
import sys
import urllib.parse
import urllib.request

# What only exists with pods: tests/suites/kubernetes/manifests.sh sees that the metrics exist.
ELSEWHERE = {"Watches of the API server", "Changes heard", "Lists and failures"}
VARIABLES = {"$namespace": "databases", "$__rate_interval": "10s", "$__range": "10s"}


def samples(url, job, expression):
    """Returns what Prometheus answers to an expression, without NaN."""
    for name, value in (VARIABLES | {"$job": job}).items():
        expression = expression.replace(name, value)
    query = urllib.parse.urlencode({"query": expression})
    with urllib.request.urlopen(f"{url}/api/v1/query?{query}", timeout=10) as answer:
        result = json.load(answer)["data"]["result"]
    # A sample has a value or a native histogram. A panel draws nothing for NaN.
    return [sample for sample in result if "value" not in sample or not math.isnan(float(sample["value"][1]))]


def main(dashboard, url, *jobs):
    with open(dashboard, encoding="utf-8") as f:
        panels = json.load(f)["panels"]
    failed = False
    for job, panel in itertools.product(jobs, panels):
        title = panel["title"]
        if panel["type"] == "row" or title in ELSEWHERE:
            continue
        empty = [target["expr"] for target in panel["targets"] if not samples(url, job, target["expr"])]
        failed |= bool(empty)
        print(f"FAIL panel {title}, job {job}: empty: {'; '.join(empty)}" if empty else f"ok panel {title}, job {job}", flush=True)
    sys.exit(failed)


main(*sys.argv[1:])
