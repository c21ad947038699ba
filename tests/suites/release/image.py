"""Checks an image in an OCI layout, and unpacks the root of one machine.

usage: image.py IMAGE.tar FOLDER ARCH
"""
import gzip
import hashlib
import io
import json
import sys
import tarfile

MOST = 20 * 2**20
SHELLS = ("bin/sh", "bin/bash", "bin/dash", "bin/busybox", "usr/bin/env")


def main():
    path, folder, arch = sys.argv[1:]
    with tarfile.open(path) as tar:
        files = {member.name: tar.extractfile(member).read() for member in tar if member.isfile()}
    assert json.loads(files["oci-layout"])["imageLayoutVersion"] == "1.0.0"

    def blob(descriptor):
        algorithm, digest = descriptor["digest"].split(":")
        content = files[f"blobs/{algorithm}/{digest}"]
        assert hashlib.sha256(content).hexdigest() == digest, descriptor
        assert len(content) == descriptor["size"], descriptor
        return content

    [top] = json.loads(files["index.json"])["manifests"]
    manifests = json.loads(blob(top))["manifests"]
    machines = {manifest["platform"]["architecture"] for manifest in manifests}
    assert arch in machines, machines
    for entry in manifests:
        manifest = json.loads(blob(entry))
        config = json.loads(blob(manifest["config"]))
        [layer] = manifest["layers"]
        packed = blob(layer)
        assert len(packed) < MOST, f"{len(packed)} bytes"
        content = gzip.decompress(packed)
        assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(content).hexdigest()}"]
        assert config["config"]["User"] == "65532:65532" and config["config"]["StopSignal"] == "SIGTERM"
        with tarfile.open(fileobj=io.BytesIO(content)) as root:
            names = {member.name for member in root}
            assert not names.intersection(SHELLS), names
            for wanted in ("usr/local/bin/pointsman", "etc/ssl/certs/ca-certificates.crt", "etc/passwd",
                           "usr/share/doc/pointsman/LICENSE", "usr/share/doc/pointsman/NOTICES.txt"):
                assert wanted in names, f"{wanted} is missing"
            if entry["platform"]["architecture"] == arch:
                root.extractall(folder)
        print(entry["platform"], len(packed), "bytes compressed")


if __name__ == "__main__":
    main()
