# What one types here; each target is a script that says what it does.
.PHONY: demo demo-failover unit test e2e bench lint

# A primary, two replicas and the proxy on this machine, with a live table; Ctrl-C ends it all.
demo:
	@deploy/demo/demo.sh

# In another terminal: a planned switchover; KILL=1 kills the primary and promotes a replica.
demo-failover:
	@KILL=$(KILL) deploy/demo/failover.sh

# What needs no server: unit tests, the layers, the documentation.
unit:
	@cargo test --locked --lib --test architecture --test docs

# Installs what the tests need, then runs all of them.
test:
	@tests/run.sh all

# Only what needs real servers: integration tests and client suites.
e2e:
	@tests/run.sh e2e

# Direct, HAProxy and Pointsman side by side; writes the tables into docs/benchmarks.md. ROUNDS=3 SECS=8 PARTS="pressure idle"
bench:
	@benches/run.sh $(PARTS)

# Formats, lints, and what is large or hangs together in the source, for the eye.
lint:
	@tests/run.sh lint
