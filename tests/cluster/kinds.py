"""The kinds of clusters that scenes.py plays with: how each is built, who says which pod is the primary, and how it is asked to move."""

import json

from node import CLUSTER, HERE, PASSWORD, PROXY, ROOT, SPACE, apply, eventually, is_ready, kubectl, pods, run, sql

# Pods that a scene has made unfit for good: only a backup would make them replicas again.
LEFT_OUT = set()


def number_in(text):
    return int(text) if text.strip() else None


class Kind:
    """Three servers in the pods shop-0, shop-1 and shop-2, and who takes care of them."""

    # The servers' pods, by their labels.
    selector = ""
    # The Deployment of whoever takes care.
    controller = ""
    # Chart values of the proxy.
    values = ()

    def objects(self):
        """Makes everything but the proxy."""
        raise NotImplementedError

    def primary(self):
        """The number of its pod; None before there is one."""
        raise NotImplementedError

    def move_to(self, pod):
        """Asks for a planned switchover."""
        raise NotImplementedError

    def set_semi_sync(self, on):
        raise NotImplementedError

    def servers(self):
        return [pod for pod in pods(self.selector) if pod["metadata"]["name"] not in LEFT_OUT]

    def all_ready(self, count=3):
        servers = self.servers()
        return len(servers) == count - len(LEFT_OUT) and all(map(is_ready, servers))

    def build(self, semi_sync):
        run(CLUSTER, "kubectl", "create", "namespace", SPACE)
        kubectl("create", "configmap", "books", f"--from-file={HERE / 'books.py'}")
        apply(HERE / "client.yaml")
        self.objects()
        eventually(120, "three pods and a primary", lambda: self.all_ready() and self.primary() is not None)
        values = ["image.repository=docker.io/pointsman-tests/proxy", "image.tag=local", "test.image=docker.io/pointsman-tests/database:local",
                  *self.values]
        run(CLUSTER, "helm", "install", "shop-proxy", str(ROOT / "deploy/helm/pointsman"), "--namespace", SPACE,
            *[part for value in values for part in ("--set", value)])
        kubectl("rollout", "status", f"deployment/{PROXY}", "--timeout=120s")
        kubectl("rollout", "status", "deployment/client", "--timeout=60s")
        sql(self.primary(),
            "CREATE DATABASE books; CREATE TABLE books.log (id BIGINT AUTO_INCREMENT PRIMARY KEY, token VARCHAR(40) NOT NULL); "
            f"CREATE TABLE books.direct (token VARCHAR(40)); CREATE USER app@'%' IDENTIFIED BY '{PASSWORD}'; "
            "GRANT ALL ON books.* TO app@'%'; GRANT BINLOG MONITOR, SLAVE MONITOR ON *.* TO app@'%'")
        self.set_semi_sync(semi_sync)

    @staticmethod
    def scripts(config_map, *names):
        kubectl("create", "configmap", config_map, *[f"--from-file={HERE / 'operators' / name}" for name in names])


class MariaDbOperator(Kind):
    """The stand-in for mariadb-operator."""

    selector = "app.kubernetes.io/instance=shop"
    controller = "mariadb-operator"
    values = ("preset=mariadb-operator", "cluster=shop")

    def objects(self):
        run(CLUSTER, "kubectl", "apply", "--filename", str(ROOT / "tests/kubernetes/mariadb-crd.yaml"))
        self.scripts("mariadb-operator", "mariadb_operator.py", "kubernetes.py", "servers.py", "server.sh", "ready.sh", "alive.sh")
        apply(HERE / "operators/mariadb-operator.yaml", ROOT / "deploy/demo/shop.yaml")

    @staticmethod
    def patch(spec):
        kubectl("patch", "mariadb", "shop", "--type=merge", "--patch", json.dumps({"spec": spec}))

    def primary(self):
        return number_in(kubectl("get", "mariadb", "shop", "--output", "jsonpath={.status.currentPrimaryPodIndex}"))

    def move_to(self, pod):
        self.patch({"replication": {"primary": {"podIndex": pod}}})

    def all_ready(self, count=3):
        roles = sorted(pod["metadata"]["labels"].get("k8s.mariadb.com/role", "") for pod in self.servers())
        return super().all_ready(count) and roles == ["primary", *["replica"] * (count - len(LEFT_OUT) - 1)]

    def set_semi_sync(self, on):
        self.patch({"replication": {"semiSyncEnabled": on}})
        switch = "ON" if on else "OFF"
        for pod in range(3):
            sql(pod, f"SET GLOBAL rpl_semi_sync_{'master' if pod == self.primary() else 'slave'}_enabled = {switch}")

    def replace_all(self, mark):
        self.patch({"podAnnotations": {"rolled": mark}})


class HomeMade(Kind):
    """As SlightShift: no resource, no label that says who the primary is, an arbiter."""

    selector = "app=slightshift-mysql"
    controller = "arbiter"
    values = ("preset=custom", "config.discovery.selector=app=slightshift-mysql\\,mysql-node=true", "monitor.user=root",
              "monitor.secret=shop-passwords", "monitor.key=root")

    def objects(self):
        self.scripts("scripts", "arbiter.py", "kubernetes.py", "servers.py", "server.sh", "ready.sh")
        apply(HERE / "operators/arbiter.yaml")

    def primary(self):
        return number_in(kubectl("get", "configmap", "arbiter", "--output", "jsonpath={.data.primary}"))

    def move_to(self, pod):
        kubectl("patch", "configmap", "arbiter", "--type=merge", "--patch", json.dumps({"data": {"wanted": str(pod)}}))

    def set_semi_sync(self, on):
        if on:
            raise RuntimeError("a home-made cluster replicates without semi-sync")

    def replace_all(self, mark):
        template = {"metadata": {"annotations": {"rolled": mark}}}
        kubectl("patch", "statefulset", "shop", "--type=merge", "--patch", json.dumps({"spec": {"template": template}}))
