#!/usr/bin/env python3
"""Reads the dashboard with Grafana's Foundation SDK and writes it again: what is lost or changed is no part of Grafana's
schema. Prints "ok …" or "FAIL …".
usage: schema.py DASHBOARD    needs the Python package grafana-foundation-sdk"""
import json
import sys

from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

# The query of a variable once more, for the editor: Grafana writes it, the schema has it not.
UNKNOWN = "definition"


def differences(ours, theirs, path):
    if isinstance(ours, dict):
        for key, value in ours.items():
            if key == UNKNOWN:
                continue
            if not isinstance(theirs, dict) or key not in theirs:
                yield f"{path}.{key} is unknown"
            else:
                yield from differences(value, theirs[key], f"{path}.{key}")
    elif isinstance(ours, list):
        if len(ours) != len(theirs):
            yield f"{path} has {len(theirs)} elements in place of {len(ours)}"
        for at, (our, their) in enumerate(zip(ours, theirs)):
            yield from differences(our, their, f"{path}[{at}]")
    elif ours != theirs:
        yield f"{path} is {theirs} in place of {ours}"


def main(dashboard):
    with open(dashboard, encoding="utf-8") as f:
        text = f.read()
    plugins.register_default_plugins()
    read = Dashboard.from_json(json.loads(text))
    wrong = list(differences(json.loads(text), json.loads(JSONEncoder().encode(read)), "dashboard"))
    panels = [(panel["title"], panel["gridPos"]) for panel in json.loads(text)["panels"]]
    for at, (title, one) in enumerate(panels):
        for other, two in panels[:at]:
            apart = (one["x"] >= two["x"] + two["w"] or two["x"] >= one["x"] + one["w"]
                     or one["y"] >= two["y"] + two["h"] or two["y"] >= one["y"] + one["h"])
            if not apart or one["x"] + one["w"] > 24:
                wrong.append(f"the panels {title} and {other} overlap")
    print(f"FAIL the dashboard's schema: {'; '.join(wrong)}" if wrong else "ok the dashboard has Grafana's schema")
    sys.exit(bool(wrong))


main(*sys.argv[1:])
