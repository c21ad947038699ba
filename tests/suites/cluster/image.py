"""Makes an image out of a folder or a tar file, as an archive that `ctr images import` reads: one layer, no engine, no registry.

usage: image.py NAME:TAG FOLDER|ROOT.tar OUT.tar [CONFIG]    (CONFIG: the image's configuration in JSON: {"Entrypoint": […], …})
"""
import hashlib
import io
import json
import os
import platform
import subprocess
import sys
import tarfile
import tempfile

ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
OCI = "application/vnd.oci.image."
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def digest_of(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def described(media_type, digest, size, **more):
    return {"mediaType": OCI + media_type, "digest": f"sha256:{digest}", "size": size, **more}


def make(name, layer, out, config):
    blobs = {}

    def add(media_type, content, **more):
        text = json.dumps(content, sort_keys=True).encode()
        digest = hashlib.sha256(text).hexdigest()
        blobs[digest] = text
        return described(media_type, digest, len(text), **more)

    digest = digest_of(layer)
    image = {"architecture": ARCHITECTURE, "os": "linux", "config": {"Env": [PATH], **config},
             "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]}}
    manifest = {"schemaVersion": 2, "mediaType": f"{OCI}manifest.v1+json",
                "config": add("config.v1+json", image),
                "layers": [described("layer.v1.tar", digest, os.path.getsize(layer))]}
    named = {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name.rpartition(":")[2]}
    top = add("manifest.v1+json", manifest, platform={"architecture": ARCHITECTURE, "os": "linux"}, annotations=named)
    with tarfile.open(out + ".new", "w") as tar:
        def put(path, content):
            info = tarfile.TarInfo(path)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        put("oci-layout", b'{"imageLayoutVersion": "1.0.0"}')
        put("index.json", json.dumps({"schemaVersion": 2, "manifests": [top]}).encode())
        for blob, content in blobs.items():
            put(f"blobs/sha256/{blob}", content)
        with open(layer, "rb") as file:
            info = tarfile.TarInfo(f"blobs/sha256/{digest}")
            info.size = os.path.getsize(layer)
            tar.addfile(info, file)
    os.rename(out + ".new", out)
    print(f"{name}: {os.path.getsize(out) >> 20} MiB", file=sys.stderr)


def main():
    name, root, out, *config = sys.argv[1:]
    config = json.loads(config[0]) if config else {}
    if not os.path.isdir(root):
        return make(name, root, out, config)
    with tempfile.NamedTemporaryFile(dir=os.path.dirname(os.path.abspath(out)), suffix=".layer") as layer:
        subprocess.run(["tar", "--numeric-owner", "--owner=0", "--group=0", "--sort=name", "--mtime=@0", "-C", root, "-cf", layer.name, "."],
                       check=True)
        make(name, layer.name, out, config)


main()
