# The commands for developers. Each target runs a script whose first lines explain it.
.PHONY: demo demo-failover cluster cluster-down cluster-demo unit test e2e bench lint dist dist-test

# Starts a primary, two replicas and the proxy on this machine, and shows a live table. Ctrl-C ends all of them.
demo:
	@deploy/demo/demo.sh

# Run in another terminal: a planned switchover. KILL=1 kills the primary and promotes a replica.
demo-failover:
	@KILL=$(KILL) deploy/demo/failover.sh

# A real Kubernetes node on this machine, in namespaces of its own. Needs root. tests/suites/cluster/cluster.sh kubectl … asks it.
cluster:
	@tests/suites/cluster/cluster.sh up

cluster-down:
	@tests/suites/cluster/cluster.sh down

# On such a node: an operator, a MariaDB of three pods, Pointsman from its chart, an application and a live table. In another
# terminal: DO=switchover, kill, drain, roll, password or certificate.
cluster-demo:
	@deploy/demo/cluster.sh $(DO)

# Runs the tests that need no server: unit tests, the layers, the documentation, the hand-over between threads.
unit:
	@cargo test --locked --lib --test architecture --test docs --test loom

# Installs the tools that the tests need, then runs all tests.
test:
	@tests/run.sh all

# Runs only the tests that need real servers: integration tests and client suites.
e2e:
	@tests/run.sh e2e

# Compares direct connections, HAProxy and Pointsman; writes the tables into docs/benchmarks.md. ROUNDS=3 SECS=8 PARTS="pressure idle"
bench:
	@benches/run.sh $(PARTS)

# Checks formatting and lints, and lists large files and the modules' dependencies for a reader.
lint:
	@tests/run.sh lint

# Makes everything that a release publishes, into dist/: static binaries, packages, image, chart, checksums.
dist:
	@deploy/release/dist.sh

# Installs each artefact of dist/ in a fresh root, and runs its main job.
dist-test:
	@tests/suites/release/run.sh
