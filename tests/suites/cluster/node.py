"""What every scene does with the node: its API, its servers past the proxy, waiting."""

import json
import pathlib
import subprocess
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent.parent
CLUSTER = str(HERE / "cluster.sh")
SPACE = "databases"
PROXY = "shop-proxy-pointsman"
# The application's.
PASSWORD = "books"


def run(*command, quiet=False, **more):
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=600, **more)
    if done.returncode != 0 and not quiet:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()[-800:]}")
    return done.stdout


def kubectl(*arguments, **more):
    return run(CLUSTER, "kubectl", "--namespace", SPACE, *arguments, **more)


def eventually(seconds, what, ask):
    end = time.time() + seconds
    while True:
        try:
            if answer := ask():
                return answer
            why = "no"
        except RuntimeError as error:
            why = str(error)
        if time.time() > end:
            raise RuntimeError(f"{what}: not within {seconds} s: {why}")
        time.sleep(0.3)


def apply(*files):
    for file in files:
        kubectl("apply", "--filename", str(file))


def pods(selector):
    listed = json.loads(kubectl("get", "pods", "--selector", selector, "--output", "json"))["items"]
    return [pod for pod in listed if "deletionTimestamp" not in pod["metadata"]]


def is_ready(pod):
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", []))
