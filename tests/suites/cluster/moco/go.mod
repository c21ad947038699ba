// MOCO, a real operator, and the agent that it runs beside each server. tests/setup/moco-build.sh builds both.
module pointsman/tests/cluster/moco

go 1.26.2

require (
	github.com/cybozu-go/moco v0.36.0
	github.com/cybozu-go/moco-agent v0.16.0
)
