// KubeBlocks, a real operator: its manager, and the agent that it runs beside each server. tests/setup/kubeblocks-build.sh builds both.
module pointsman/tests/cluster/kubeblocks

go 1.26.2

require github.com/apecloud/kubeblocks v1.0.2
