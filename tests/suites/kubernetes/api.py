"""A client of the API server as cluster administrator, with the few requests that the tests' kubelet and controllers make."""

import json
import pathlib
import ssl
import urllib.error
import urllib.parse
import urllib.request


class Api:
    def __init__(self, folder):
        server = pathlib.Path(folder) / "apiserver"
        self.port = (server / "port").read_text().strip()
        self.ca = (server / "certs/apiserver.crt").read_text()
        self.token = (server / "tokens").read_text().split(",")[0]
        self.trust = ssl.create_default_context(cadata=self.ca)

    def call(self, method, path, body=None, kind="application/json"):
        """Returns the answer as an object; raises a RuntimeError with the server's text if the server refuses."""
        request = urllib.request.Request(
            f"https://127.0.0.1:{self.port}{path}", method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": kind},
        )
        try:
            with urllib.request.urlopen(request, context=self.trust, timeout=20) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            said = error.read().decode()
            raise RuntimeError(f"{method} {path}: {error.code} {said}") from None

    def get(self, path, **query):
        return self.call("GET", path + ("?" + urllib.parse.urlencode(query) if query else ""))

    def post(self, path, body):
        return self.call("POST", path, body)

    def merge(self, path, body):
        return self.call("PATCH", path, body, "application/merge-patch+json")

    def delete(self, path, grace=None):
        return self.call("DELETE", path, None if grace is None else {"gracePeriodSeconds": grace})

    def everything(self):
        """Kind, namespace and name of each object that there is."""
        found = set()
        groups = ["/api/v1"] + [
            f"/apis/{group['preferredVersion']['groupVersion']}" for group in self.get("/apis")["groups"]
        ]
        for group in groups:
            for resource in self.get(group)["resources"]:
                if "/" in resource["name"] or "list" not in resource["verbs"] or resource["name"] in ("events", "leases"):
                    continue
                for item in self.get(f"{group}/{resource['name']}")["items"]:
                    meta = item["metadata"]
                    found.add((resource["kind"], meta.get("namespace", ""), meta["name"]))
        return found
