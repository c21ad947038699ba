"""Checks of rendered manifests (as JSON) for manifests.sh; standard library only. Exits 1 and prints what is wrong."""

import json
import pathlib
import re
import sys
import tomllib


FIXTURE = pathlib.Path(__file__).parents[3] / "src/net/tls/fixture"
# What the proxy looks through when it reads its configuration.
CERTIFICATES = {
    "clients-tls/ca.crt": (FIXTURE / "ca.pem").read_text,
    "clients-tls/tls.crt": (FIXTURE / "server.pem").read_text,
    "clients-tls/tls.key": (FIXTURE / "server-key.pem").read_text,
    "servers-tls/ca.crt": (FIXTURE / "ca.pem").read_text,
    "servers-tls/tls.crt": (FIXTURE / "server.pem").read_text,
    "servers-tls/tls.key": (FIXTURE / "server-key.pem").read_text,
    "admin/tls.crt": (FIXTURE / "server.pem").read_text,
    "admin/tls.key": (FIXTURE / "server-key.pem").read_text,
}


def documents(path):
    """Objects of a file: one document, a List, or several documents one after the other."""
    text, found, at = pathlib.Path(path).read_text(), [], 0
    decoder = json.JSONDecoder()
    while text[at:].strip():
        at += len(text[at:]) - len(text[at:].lstrip())
        document, at = decoder.raw_decode(text, at)
        found += document["items"] if document["kind"] == "List" else [document]
    return found


def one(objects, kind, name=None):
    found = [o for o in objects if o["kind"] == kind and name in (None, o["metadata"]["name"])]
    if len(found) != 1:
        sys.exit(f"{len(found)} objects of kind {kind}")
    return found[0]


def volume(manifests, folder):
    """Fills a folder as the kubelet fills the pod's configuration volume; the Secrets get passwords made up here."""
    objects = documents(manifests)
    pod = one(objects, "Deployment")["spec"]["template"]["spec"]
    mounted = {m["name"]: m["mountPath"] for m in pod["containers"][0]["volumeMounts"]}
    config = next(v for v in pod["volumes"] if v["name"] == "config")
    if mounted["config"] != "/etc/pointsman" or "/etc/pointsman/pointsman.toml" not in pod["containers"][0]["args"]:
        sys.exit("the proxy reads its configuration elsewhere")
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True)
    for source in config["projected"]["sources"]:
        if "configMap" in source:
            for name, text in one(objects, "ConfigMap", source["configMap"]["name"])["data"].items():
                (folder / name).write_text(text)
        else:
            for item in source["secret"]["items"]:
                path = folder / item["path"]
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(CERTIFICATES.get(item["path"], lambda: "secret\n")())


def accounts(folder, table):
    """The probes' account of each rendered preset is the one that its operator makes, by the table of facts."""
    wrong = []
    for fact in tomllib.loads(pathlib.Path(table).read_text())["preset"]:
        monitor = fact.get("monitor")
        if fact.get("variant") or not monitor or not monitor["secret"]:
            continue
        config = one(documents(pathlib.Path(folder) / f"{fact['name']}-plain.yaml.json"), "ConfigMap")["data"]["pointsman.toml"]
        secret = monitor["secret"].replace("<c>", "my-cluster").replace("<component>", "mysql")
        wanted = (monitor["user"], f"secrets/{secret}/{monitor['key']}")
        found = tomllib.loads(config)["monitor"]
        if (found["user"], found["password_file"]) != wanted:
            wrong.append(f"{fact['name']}: {found}, not {wanted}")
    if wrong:
        sys.exit("\n".join(wrong))


def values(text_path, schema_path):
    """Each value stands in the schema and below a comment (one may head a few), and nothing else stands in the schema."""
    schema = json.loads(pathlib.Path(schema_path).read_text())
    wrong, keys, commented = [], [], False
    for number, line in enumerate(pathlib.Path(text_path).read_text().splitlines(), 1):
        commented = bool(line) and (commented or line.startswith("#"))
        found = re.match(r"(\w+):", line)
        if found:
            keys.append(found[1])
            if not commented:
                wrong.append(f"{text_path}:{number}: {found[1]} has no comment")
    known = set(schema["properties"]) - {"global"}
    wrong += [f"not in the schema: {key}" for key in keys if key not in known]
    wrong += [f"not in the values: {key}" for key in known if key not in keys]
    if wrong:
        sys.exit("\n".join(wrong))


def login(pod_path, service_path):
    """The pod of `helm test` logs in on both ports of the Service, and is none of its pods."""
    [pod] = documents(pod_path)
    [service] = documents(service_path)
    labels = pod["metadata"]["labels"]
    assert any(labels.get(key) != value for key, value in service["spec"]["selector"].items()), labels
    ports = sorted(arg for c in pod["spec"]["containers"] for arg in c["args"] if arg.startswith("--port="))
    assert ports == ["--port=3307", "--port=6447"], ports
    assert not pod["spec"]["automountServiceAccountToken"]


def conventions(path):
    """Every value of conventions.yaml is where it belongs."""
    objects = {(o["kind"], o["metadata"]["name"]): o for o in documents(path)}
    name = "shop-proxy-pointsman"
    pod = objects["Deployment", name]["spec"]["template"]
    spec, service = pod["spec"], objects["Service", name]
    ours = [o for (kind, key), o in objects.items() if key.startswith(name)]
    assert all(o["metadata"]["labels"]["team"] == "databases" for o in ours) and pod["metadata"]["labels"]["team"] == "databases"
    assert ("ConfigMap", "shop-proxy-extra") in objects and ("ConfigMap", "text") in objects
    assert [c["name"] for c in spec["initContainers"]] == ["first"]
    assert [c["name"] for c in spec["containers"]] == ["pointsman", "beside"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["containers"][0]["startupProbe"]["failureThreshold"] == 30
    assert all(c["matchLabelKeys"] == ["pod-template-hash"] for c in spec["topologySpreadConstraints"])
    wanted = {"loadBalancerClass": "example.com/internal", "loadBalancerSourceRanges": ["10.0.0.0/8"], "type": "LoadBalancer",
              "externalTrafficPolicy": "Local", "internalTrafficPolicy": "Local", "ipFamilyPolicy": "PreferDualStack",
              "ipFamilies": ["IPv4"], "sessionAffinity": "ClientIP"}
    for key, value in wanted.items():
        assert service["spec"][key] == value, key
    assert service["spec"]["ports"][0]["nodePort"] == 30306 and "nodePort" not in service["spec"]["ports"][1]
    assert service["metadata"]["labels"]["lan"] == "internal"
    metrics = objects["HorizontalPodAutoscaler", name]["spec"]["metrics"]
    assert [m["type"] for m in metrics] == ["Resource", "Pods"], metrics
    endpoint = objects["ServiceMonitor", name]["spec"]["endpoints"][0]
    assert endpoint["metricRelabelings"][0]["action"] == "keep"


def comparable(objects):
    """What must be alike however it was rendered: no names, labels, images, passwords' places or comments."""
    result = {}
    for o in objects:
        spec = json.loads(json.dumps(o.get("spec", o.get("rules", o.get("data", {})))))
        if o["kind"] == "Deployment":
            pod = spec["template"]["spec"]
            del spec["selector"], spec["template"]["metadata"], pod["serviceAccountName"]
            for constraint in pod.get("topologySpreadConstraints", []):
                del constraint["labelSelector"]
            del pod["containers"][0]["image"]
            for source in pod["volumes"][0]["projected"]["sources"]:
                source.get("configMap", {}).pop("name", None)
            # Ways of the chart to add what only the user knows.
            for extra in ("imagePullSecrets", "nodeSelector", "tolerations", "affinity", "priorityClassName"):
                pod.pop(extra, None)
            for extra in ("env", "imagePullPolicy"):
                pod["containers"][0].pop(extra, None)
            pod["volumes"] = [v for v in pod["volumes"] if v["name"] == "config"]
            mounts = pod["containers"][0]["volumeMounts"]
            pod["containers"][0]["volumeMounts"] = [m for m in mounts if m["name"] == "config"]
        elif o["kind"] in ("Service", "PodDisruptionBudget", "ServiceMonitor", "NetworkPolicy"):
            for selector in ("selector", "podSelector", "trafficDistribution"):
                spec.pop(selector, None)
        elif o["kind"] == "HorizontalPodAutoscaler":
            del spec["scaleTargetRef"]
        elif o["kind"] == "ConfigMap" and "pointsman.toml" in spec:
            lines = spec["pointsman.toml"].splitlines()
            spec = [l for l in lines if l.startswith(("preset", "selector", "component", "user =", "name =", "password_file"))]
            spec.sort()
        key = o["kind"] + ("/metrics" if o["metadata"]["name"].endswith("-metrics") else "")
        key += "/dashboard" if o["metadata"]["name"].endswith("-dashboard") else ""
        result[key] = spec
    return result


# In the chart these take what the tests' values add; their shape is checked by the server.
BY_VALUES = {"Role", "NetworkPolicy", "PrometheusRule", "ConfigMap"}


def alike(overlay, chart):
    """The plain manifests are those of the chart."""
    ours, theirs = comparable(documents(overlay)), comparable(documents(chart))
    everything = "HorizontalPodAutoscaler" in theirs
    wrong = [f"only in one: {kind}" for kind in sorted(ours.keys() ^ theirs.keys())]
    for kind in sorted(ours.keys() & theirs.keys()):
        if everything and kind in BY_VALUES:
            continue
        if everything and kind == "Deployment":
            for side in (ours, theirs):
                sources = side[kind]["template"]["spec"]["volumes"][0]["projected"]["sources"]
                sources[:] = [s for s in sources if "configMap" in s or s["secret"]["name"] == "pointsman-tls"]
        if ours[kind] != theirs[kind]:
            wrong.append(f"{kind}:\n  {json.dumps(ours[kind], sort_keys=True)}\n  {json.dumps(theirs[kind], sort_keys=True)}")
    if wrong:
        sys.exit("\n".join(wrong))


def pod(manifests):
    """The Deployment's pod as a pod."""
    template = one(documents(manifests), "Deployment")["spec"]["template"]
    json.dump({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "proxy"}, "spec": template["spec"]}, sys.stdout)


def metrics(scraped, *files):
    """Each metric that a file names is one that the proxy offers, each label one of its labels or of the scrape."""
    families, histograms = {"up": set()}, []
    for line in pathlib.Path(scraped).read_text().splitlines():
        found = re.match(r"# TYPE (\S+) (\S+)", line)
        if found:
            suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"], "info": ["_info"]}
            for suffix in suffixes.get(found[2], [""]):
                families.setdefault(found[1] + suffix, set())
            histograms += [found[1]] if found[2] == "histogram" else []
        found = re.match(r"(\w+)\{(.*)\} ", line)
        if found:
            families.setdefault(found[1], set()).update(re.findall(r"(\w+)=\"", found[2]))
    # A native histogram, in the other format, has the family's own name.
    families.update({name: families[name + "_count"] for name in histograms})
    asked, wrong = set(), []
    for path in files:
        text = pathlib.Path(path).read_text().replace('\\"', '"')
        for name, selector in re.findall(r"\b((?:pointsman|process)_\w+)(?:\{([^}]*)\})?", text):
            asked.add(name)
            if name not in families:
                wrong.append(f"{path}: {name} does not exist")
                continue
            labels = set(re.findall(r"(\w+)\s*=~?", selector)) - {"namespace", "job", "pod"}
            # A family without a series yet shows no labels.
            wrong += [f"{path}: {name} has no label {label}" for label in labels - families[name] if families[name]]
    if len(asked) < 20:
        wrong.append(f"only {len(asked)} metrics found in {files}")
    if wrong:
        sys.exit("\n".join(sorted(set(wrong))))


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
