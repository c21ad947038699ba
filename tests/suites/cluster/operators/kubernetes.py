"""The Kubernetes API as a pod sees it: its account's token, JSON in and out."""

import json
import pathlib
import ssl
import urllib.error
import urllib.request

ACCOUNT = pathlib.Path("/var/run/secrets/kubernetes.io/serviceaccount")
HOST = "https://kubernetes.default.svc"
MERGE = "application/merge-patch+json"


class Missing(Exception):
    """The object is not there."""


class Api:
    def __init__(self):
        self.tls = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))
        # Some certificate authorities are made without the extensions that Python asks for by default.
        self.tls.verify_flags &= ~ssl.VERIFY_X509_STRICT

    def call(self, method, path, body=None, kind="application/json"):
        request = urllib.request.Request(HOST + path, method=method, data=json.dumps(body).encode() if body is not None else None)
        request.add_header("Authorization", f"Bearer {(ACCOUNT / 'token').read_text()}")
        request.add_header("Content-Type", kind)
        try:
            with urllib.request.urlopen(request, context=self.tls, timeout=10) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code == 404:
                raise Missing(path) from error
            raise RuntimeError(f"{method} {path}: {error.code} {error.read().decode(errors='replace')[:300]}") from error

    def get(self, path):
        return self.call("GET", path)

    def merge(self, path, body):
        return self.call("PATCH", path, body, MERGE)

    def ensure(self, collection, body):
        """Makes the object, unless it is there."""
        try:
            return self.get(f"{collection}/{body['metadata']['name']}")
        except Missing:
            return self.call("POST", collection, body)

    def apply(self, collection, body):
        """Makes the object, or gives it these fields."""
        name = body["metadata"]["name"]
        try:
            return self.merge(f"{collection}/{name}", body)
        except Missing:
            return self.call("POST", collection, body)
