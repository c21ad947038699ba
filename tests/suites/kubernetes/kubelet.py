"""Does for one pod what a kubelet and its container runtime do: the volumes, the network, a container in namespaces of
its own with the account and the limits that the pod asks for, the probes, the end. It fails at a field of the pod that it does not
know, so that a manifest cannot ask for a feature that this script ignores."""

import base64
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

POD = {
    "volumes", "containers", "restartPolicy", "terminationGracePeriodSeconds", "dnsPolicy", "serviceAccountName",
    "serviceAccount", "nodeName", "securityContext", "schedulerName", "tolerations", "priority", "enableServiceLinks",
    "preemptionPolicy", "topologySpreadConstraints",
}
CONTAINER = {
    "name", "image", "args", "env", "ports", "resources", "volumeMounts", "startupProbe", "livenessProbe", "readinessProbe", "lifecycle",
    "terminationMessagePath", "terminationMessagePolicy", "imagePullPolicy", "securityContext",
}
POD_SECURITY = {"runAsNonRoot", "runAsUser", "runAsGroup", "fsGroup", "seccompProfile"}
SECURITY = {"allowPrivilegeEscalation", "readOnlyRootFilesystem", "capabilities"}


def known(what, fields, names):
    if unknown := set(fields) - names:
        raise RuntimeError(f"{what}: {', '.join(sorted(unknown))} is asked for, and nobody here does it")


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
    return done.stdout


class Image:
    """A root folder as the Dockerfile's last stage makes it, with the libraries of a binary that is not static."""

    def __init__(self, binary, folder):
        text = pathlib.Path("deploy/Dockerfile").read_text()
        self.entrypoint = json.loads(re.search(r"^ENTRYPOINT (\[.*\])", text, re.M)[1])
        place = re.search(r"^COPY --from=build \S+ (\S+)", text, re.M)[1]
        self.user = re.search(r"^USER (\d+):(\d+)", text, re.M).groups()
        self.root = pathlib.Path(folder)
        libraries = re.findall(r"(/\S+) \(0x", subprocess.run(["ldd", binary], capture_output=True, text=True).stdout)
        for source, target in [(binary, place)] + [(path, path) for path in libraries]:
            at = self.root / target.lstrip("/")
            at.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, at)


class Kubelet:
    def __init__(self, api, image, folder):
        self.api, self.image, self.folder, self.addresses = api, image, pathlib.Path(folder), 10
        self.service = api.get("/api/v1/namespaces/default/services/kubernetes")["spec"]

    def start(self, pod):
        self.addresses += 1
        return Pod(self, pod, f"10.244.0.{self.addresses}")


class Pod:
    """One that the API server has; it runs from here on, until `end`."""

    def __init__(self, kubelet, pod, ip):
        self.kubelet, self.api, self.ip = kubelet, kubelet.api, ip
        self.name, self.space = pod["metadata"]["name"], pod["metadata"]["namespace"]
        self.path = f"/api/v1/namespaces/{self.space}/pods/{self.name}"
        self.uid, self.spec = pod["metadata"]["uid"], pod["spec"]
        self.container = self.spec["containers"][0]
        self.folder = kubelet.folder / self.name
        self.log = self.folder / "log"
        self.process = None
        known("the pod", self.spec, POD)
        known("the pod's securityContext", self.spec["securityContext"], POD_SECURITY)
        known("the container", self.container, CONTAINER)
        known("the container's securityContext", self.container["securityContext"], SECURITY)
        if len(self.spec["containers"]) != 1:
            raise RuntimeError("more than one container")
        self.folder.mkdir(parents=True)
        self.generation = 0
        self.refresh()
        self.status(False)
        self.connect()
        self.run()

    # Volumes.

    def refresh(self):
        """The volumes with what the API server has now: all files of one change at once, by the swap of a link."""
        self.generation += 1
        for volume in self.spec["volumes"]:
            known(f"volume {volume['name']}", volume, {"name", "projected"})
            place = self.folder / "volumes" / volume["name"]
            files = self.files(volume["projected"])
            new = place / f"..{self.generation}"
            for name, (text, mode) in files.items():
                path = new / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
                path.chmod(mode | 0o440)
            group = self.spec["securityContext"].get("fsGroup", 0)
            for path in [place, new, *new.rglob("*")]:
                os.chown(path, 0, group)
                if path.is_dir():
                    path.chmod(0o2750)
            (place / "..data_tmp").symlink_to(new.name)
            (place / "..data_tmp").rename(place / "..data")
            for top in {name.split("/")[0] for name in files}:
                if not (place / top).is_symlink():
                    (place / top).symlink_to(f"..data/{top}")

    def files(self, projected):
        """Name in the volume: text, mode."""
        files, usual = {}, projected.get("defaultMode", 0o644)
        for source in projected["sources"]:
            (kind, what), = source.items()
            if kind == "serviceAccountToken":
                files[what["path"]] = (self.token(what), usual)
            elif kind == "downwardAPI":
                for item in what["items"]:
                    files[item["path"]] = (self.field(item["fieldRef"]), item.get("mode", usual))
            else:
                for name, text, mode in self.data(kind, what):
                    files[name] = (text, usual if mode is None else mode)
        return files

    def data(self, kind, what):
        data = self.api.get(f"/api/v1/namespaces/{self.space}/{kind.lower()}s/{what['name']}").get("data", {})
        if kind == "secret":
            data = {key: base64.b64decode(value).decode() for key, value in data.items()}
        items = what.get("items") or [{"key": key, "path": key} for key in data]
        for item in items:
            if item["key"] not in data:
                raise RuntimeError(f"{kind} {what['name']} has no key {item['key']}")
            yield item["path"], data[item["key"]], item.get("mode")

    def token(self, what):
        request = {
            "expirationSeconds": what.get("expirationSeconds", 3600),
            "boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": self.name, "uid": self.uid},
        }
        account = f"/api/v1/namespaces/{self.space}/serviceaccounts/{self.spec['serviceAccountName']}"
        answer = self.api.post(account + "/token", {"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "spec": request})
        return answer["status"]["token"]

    def field(self, ref):
        value = self.api.get(self.path)
        for part in ref["fieldPath"].split("."):
            value = value[part]
        return value

    # The container.

    def connect(self):
        """A network namespace of its own, on the node's bridge; its name is the pod's."""
        number = self.ip.split(".")[-1]
        run("ip", "netns", "add", self.name)
        run("ip", "link", "add", f"veth{number}", "type", "veth", "peer", "name", "eth0", "netns", self.name)
        run("ip", "link", "set", f"veth{number}", "master", "cni0", "up")
        inside = ["ip", "-netns", self.name]
        run(*inside, "link", "set", "lo", "up")
        run(*inside, "address", "add", f"{self.ip}/16", "dev", "eth0")
        run(*inside, "link", "set", "eth0", "up")
        run(*inside, "route", "add", "default", "via", "10.244.0.1")

    def environment(self):
        service = self.kubelet.service
        variables = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOSTNAME": self.name, "HOME": "/",
            "KUBERNETES_SERVICE_HOST": service["clusterIP"],
            "KUBERNETES_SERVICE_PORT": str(service["ports"][0]["port"]),
            "KUBERNETES_SERVICE_PORT_HTTPS": str(service["ports"][0]["port"]),
        }
        for variable in self.container.get("env", []):
            source = variable.get("valueFrom")
            variables[variable["name"]] = self.field(source["fieldRef"]) if source else variable.get("value", "")
        return variables

    def run(self):
        pod, own = self.spec["securityContext"], self.container["securityContext"]
        user = pod.get("runAsUser", int(self.kubelet.image.user[0]))
        if pod.get("runAsNonRoot") and user == 0:
            raise RuntimeError("the container would run as root")
        plan = {
            "root": str(self.folder / "root"),
            "mounts": [
                [str(self.folder / "volumes" / mount["name"]), mount["mountPath"]] for mount in self.container["volumeMounts"]
            ],
            "user": user, "group": pod.get("runAsGroup", int(self.kubelet.image.user[1])), "groups": [pod["fsGroup"]] if "fsGroup" in pod else [],
            "privileges": own.get("allowPrivilegeEscalation", True),
            "read_only": own.get("readOnlyRootFilesystem", False),
            "environment": self.environment(),
            "command": self.kubelet.image.entrypoint + self.container["args"],
        }
        shutil.copytree(self.kubelet.image.root, plan["root"], copy_function=os.link)
        (self.folder / "plan.json").write_text(json.dumps(plan))
        apart = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--ipc", "--uts"]
        inside = [sys.executable, __file__, str(self.folder / "plan.json")]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                ["nsenter", f"--net=/run/netns/{self.name}", *apart, *inside],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )

    # Probes and status.

    def port(self, port):
        """A container port by its number or name."""
        if isinstance(port, int):
            return port
        return next(p["containerPort"] for p in self.container["ports"] if p.get("name") == port)

    def http(self, path, port="http", seconds=5):
        """Status and body, or None and why not."""
        try:
            with urllib.request.urlopen(f"http://{self.ip}:{self.port(port)}{path}", timeout=seconds) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError as error:
            return None, str(error)

    def probe(self, which):
        """As the container's probe says; None if it passed, else why not."""
        probe = self.container[which]
        known(which, probe, {"httpGet", "periodSeconds", "timeoutSeconds", "failureThreshold", "successThreshold"})
        ask = probe["httpGet"]
        status, body = self.http(ask["path"], ask["port"], probe["timeoutSeconds"])
        return None if status is not None and 200 <= status < 400 else f"{which} {ask['path']}: {status} {body}"

    def wait_started(self):
        """No other probe counts before this one has passed, and a container that takes longer is ended."""
        probe = self.container.get("startupProbe")
        if not probe:
            return
        deadline = time.monotonic() + probe["periodSeconds"] * probe["failureThreshold"]
        while why := self.probe("startupProbe"):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self.name} did not start: {why}\n{self.last_words()}")
            time.sleep(0.1)

    def wait_ready(self, seconds):
        self.wait_started()
        deadline = time.monotonic() + seconds
        while why := self.probe("readinessProbe"):
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.name} ended by itself: {self.process.returncode}\n{self.last_words()}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.name} is not ready: {why}\n{self.last_words()}")
            time.sleep(0.1)
        self.status(True)

    def status(self, ready):
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        condition = {"type": "Ready", "status": "True" if ready else "False", "lastTransitionTime": now}
        status = {"phase": "Running", "podIP": self.ip, "podIPs": [{"ip": self.ip}], "conditions": [condition]}
        self.api.merge(self.path + "/status", {"status": status})

    def last_words(self):
        return "\n".join(self.log.read_text().splitlines()[-12:])

    # The end.

    def pid(self):
        """The container's first process, in the eyes of the node."""
        return int(pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()[0])

    def end(self, patient=True):
        """Deletes the pod: preStop, SIGTERM, and SIGKILL when the grace period is over. Exit code, and seconds of it all;
        without patience the sleep of preStop is left out, and only counted."""
        began, slept = time.monotonic(), 0
        grace = self.api.delete(self.path)["metadata"]["deletionGracePeriodSeconds"]
        hook = self.container.get("lifecycle", {}).get("preStop")
        if hook:
            known("preStop", hook, {"sleep"})
            if patient:
                time.sleep(hook["sleep"]["seconds"])
            else:
                slept = hook["sleep"]["seconds"]
        os.kill(self.pid(), signal.SIGTERM)
        try:
            code = self.process.wait(max(grace - slept - (time.monotonic() - began), 0))
        except subprocess.TimeoutExpired:
            code = f"none: killed after {grace} s\n{self.last_words()}"
        took = slept + time.monotonic() - began
        self.remove()
        return code, took, grace

    def remove(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        try:
            self.api.delete(self.path, 0)
        except RuntimeError as error:
            if "404" not in str(error):
                raise
        subprocess.run(["ip", "netns", "delete", self.name], capture_output=True)


def become(plan):
    """The container's first process, from its namespaces to its program; as `unshare` started it."""
    import ctypes

    root = plan["root"]
    places = [pathlib.Path(root + to) for _, to in plan["mounts"]] + [pathlib.Path(root + to) for to in ("/proc", "/dev", "/tmp")]
    for place in places:
        place.mkdir(parents=True, exist_ok=True)
    run("mount", "--bind", root, root)
    for source, to in plan["mounts"]:
        run("mount", "--bind", source, root + to)
        run("mount", "-o", "remount,bind,ro", root + to)
    run("mount", "-t", "proc", "proc", root + "/proc")
    run("mount", "--rbind", "/dev", root + "/dev")
    if plan["read_only"]:
        run("mount", "-o", "remount,bind,ro", root)
    os.chroot(root)
    os.chdir("/")
    os.setgroups(plan["groups"])
    os.setresgid(*[plan["group"]] * 3)
    # With root's number its capabilities go, too.
    os.setresuid(*[plan["user"]] * 3)
    if not plan["privileges"]:
        no_new_privileges = 38
        if ctypes.CDLL(None).prctl(no_new_privileges, 1, 0, 0, 0) != 0:
            raise RuntimeError("privileges cannot be refused")
    os.execve(plan["command"][0], plan["command"], plan["environment"])


if __name__ == "__main__":
    become(json.loads(pathlib.Path(sys.argv[1]).read_text()))
