"""Packs the Helm chart: a .tgz, the index of a chart repository beside it, and an OCI layout, which registries take. `helm package`
would put the time of packing into the archive, so that it would never be the same twice.

usage: chart.py VERSION FOLDER
env:   SOURCE_DATE_EPOCH   the date of everything in it
       CHART_URL           where the .tgz will be published (default: beside the index)
"""
import gzip
import hashlib
import json
import os
import re
import sys

from image import INDEX, MANIFEST, ROOT, Layout, archive, created, labels, read

CHART = os.path.join(ROOT, "deploy", "helm", "pointsman")


def packed():
    entries = []
    for folder, _, names in os.walk(CHART):
        for name in names:
            path = os.path.join(folder, name)
            entries.append((f"pointsman/{os.path.relpath(path, CHART)}", read(path), 0o644))
    return gzip.compress(archive(entries), 9, mtime=0)


def field(text, name):
    found = re.search(rf"^{name}: (.*)$", text, re.M)
    if not found:
        raise SystemExit(f"Chart.yaml: no {name}")
    return found.group(1).strip().strip('"')


def main():
    version, out = sys.argv[1:]
    described = read(os.path.join(CHART, "Chart.yaml")).decode()
    for name in ("version", "appVersion"):
        if field(described, name) != version:
            raise SystemExit(f"Chart.yaml: {name} is {field(described, name)}, and the release is {version}")
    name = f"pointsman-{version}.tgz"
    chart = packed()
    with open(os.path.join(out, name), "wb") as f:
        f.write(chart)

    entry = {"apiVersion": "v2", "name": "pointsman", "version": version, "appVersion": version, "created": created(),
             "description": field(described, "description"), "digest": hashlib.sha256(chart).hexdigest(), "type": "application",
             "kubeVersion": field(described, "kubeVersion"), "urls": [os.environ.get("CHART_URL", name)]}
    # JSON is YAML.
    index = {"apiVersion": "v1", "generated": created(), "entries": {"pointsman": [entry]}}
    with open(os.path.join(out, "index.yaml"), "w", encoding="utf-8") as f:
        json.dump(index, f, indent=2)
        f.write("\n")

    layout = Layout()
    config = layout.add_json({"apiVersion": "v2", "name": "pointsman", "version": version, "appVersion": version,
                              "description": entry["description"], "type": "application"},
                             "application/vnd.cncf.helm.config.v1+json")
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "annotations": labels(version),
                "layers": [layout.add(chart, "application/vnd.cncf.helm.chart.content.v1.tar+gzip")]}
    ref = {"org.opencontainers.image.ref.name": version}
    layout.write(os.path.join(out, f"pointsman-chart-{version}.oci.tar"),
                 {"schemaVersion": 2, "mediaType": INDEX, "manifests": [layout.add_json(manifest, MANIFEST, annotations=ref)]})


if __name__ == "__main__":
    main()
