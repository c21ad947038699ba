"""Makes the image as an OCI layout, without a daemon and without a registry: one index for all machines. The same content as
deploy/Dockerfile's: the binary, the certificates of public authorities, an account without rights, the licences. No shell.

usage: image.py VERSION OUT.tar ARCH=BINARY …    (ARCH as OCI names it: amd64, arm64)
env:   SOURCE_DATE_EPOCH   the date of everything in it
       CA_CERTIFICATES     the certificates (default: those of this machine)
       NOTICES             the licence notices of all crates
"""
import gzip
import hashlib
import io
import json
import os
import sys
import tarfile
import time

EPOCH = int(os.environ.get("SOURCE_DATE_EPOCH", "0"))
CERTIFICATES = os.environ.get("CA_CERTIFICATES", "/etc/ssl/certs/ca-certificates.crt")
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# As in distroless images: a number, so that Kubernetes can check that it is not root.
USER = 65532
PASSWD = f"root:x:0:0:root:/:/nonexistent\nnonroot:x:{USER}:{USER}:nonroot:/:/nonexistent\n"
GROUP = f"root:x:0:\nnonroot:x:{USER}:\n"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"


def read(path):
    with open(path, "rb") as f:
        return f.read()


def labels(version):
    return {
        "org.opencontainers.image.title": "Pointsman",
        "org.opencontainers.image.description": "A MySQL-protocol proxy that sends writes to the primary, reads to replicas, "
                                                "and follows the primary when it moves",
        "org.opencontainers.image.licenses": "Apache-2.0",
        "org.opencontainers.image.version": version,
        "org.opencontainers.image.created": created(),
    }


def created():
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(EPOCH))


def archive(entries):
    """A tar file of (path, content, mode), with the folders above each path, in which nothing depends on the machine."""
    out, folders = io.BytesIO(), set()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        def add(info, content=None):
            info.mtime, info.uname, info.gname = EPOCH, "", ""
            tar.addfile(info, io.BytesIO(content) if content is not None else None)
        for path, content, mode in sorted(entries):
            parts = path.split("/")[:-1]
            for depth in range(1, len(parts) + 1):
                folder = "/".join(parts[:depth])
                if folder not in folders:
                    folders.add(folder)
                    info = tarfile.TarInfo(folder)
                    info.type, info.mode = tarfile.DIRTYPE, 0o755
                    add(info)
            info = tarfile.TarInfo(path)
            info.size, info.mode = len(content), mode
            add(info, content)
    return out.getvalue()


class Layout:
    """The blobs of an OCI layout, by their digests."""

    def __init__(self):
        self.blobs = {}

    def add(self, content, media_type, **more):
        digest = hashlib.sha256(content).hexdigest()
        self.blobs[digest] = content
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content), **more}

    def add_json(self, value, media_type, **more):
        return self.add(json.dumps(value, sort_keys=True, separators=(",", ":")).encode(), media_type, **more)

    def write(self, path, index):
        entries = [("oci-layout", b'{"imageLayoutVersion":"1.0.0"}', 0o644),
                   ("index.json", json.dumps(index, sort_keys=True, separators=(",", ":")).encode(), 0o644)]
        entries += [(f"blobs/sha256/{digest}", content, 0o644) for digest, content in self.blobs.items()]
        with open(path, "wb") as f:
            f.write(archive(entries))


def image(layout, version, arch, binary):
    files = [("usr/local/bin/pointsman", read(binary), 0o755),
             ("etc/ssl/certs/ca-certificates.crt", read(CERTIFICATES), 0o644),
             ("etc/passwd", PASSWD.encode(), 0o644),
             ("etc/group", GROUP.encode(), 0o644),
             ("usr/share/doc/pointsman/LICENSE", read(os.path.join(ROOT, "LICENSE")), 0o644)]
    if os.environ.get("NOTICES"):
        files.append(("usr/share/doc/pointsman/NOTICES.txt", read(os.environ["NOTICES"]), 0o644))
    layer = archive(files)
    packed = gzip.compress(layer, 9, mtime=0)
    config = {
        "architecture": arch, "os": "linux", "created": created(),
        "config": {
            "User": f"{USER}:{USER}", "Entrypoint": ["/usr/local/bin/pointsman"],
            "Cmd": ["run", "--config", "/etc/pointsman/pointsman.toml"], "StopSignal": "SIGTERM",
            "ExposedPorts": {"3306/tcp": {}, "6447/tcp": {}, "9090/tcp": {}},
            "Env": ["PATH=/usr/local/bin", "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"], "Labels": labels(version),
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
        "history": [{"created": created(), "created_by": "deploy/release/image.py"}],
    }
    manifest = {
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": layout.add_json(config, "application/vnd.oci.image.config.v1+json"),
        "layers": [layout.add(packed, "application/vnd.oci.image.layer.v1.tar+gzip")],
        "annotations": labels(version),
    }
    print(f"{arch}: {len(packed) / 2**20:.1f} MiB compressed")
    return layout.add_json(manifest, MANIFEST, platform={"architecture": arch, "os": "linux"})


def main():
    version, out, *binaries = sys.argv[1:]
    layout = Layout()
    manifests = [image(layout, version, *binary.split("=", 1)) for binary in binaries]
    name = {"org.opencontainers.image.ref.name": version}
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests, "annotations": labels(version)}
    top = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [layout.add_json(index, INDEX, annotations=name)]}
    layout.write(out, top)


if __name__ == "__main__":
    main()
