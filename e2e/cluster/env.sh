# What the scripts of this folder share; sourced, not run.
CLUSTER=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
REPOSITORY=$(cd "$CLUSTER/../.." && pwd)
CACHE=${CLICKSTREAM_CACHE:-$HOME/.cache/clickstream}
STATE=${CLICKSTREAM_CLUSTER_STATE:-/var/lib/clickstream-e2e} # etcd's data, containerd's and docker's images, volumes, keys
RUN=/run/clickstream-e2e                                     # sockets and process ids: gone after a boot, as they should be
LOGS=$STATE/logs
NODE=clickstream
NODE_IP=10.99.0.1 # on a bridge of its own, never on the machine's interface
SERVICES=10.96.0.0/16 API_SERVICE=10.96.0.1 DNS_SERVICE=10.96.0.10
PODS=10.244.0.0/16 NODE_PODS=10.244.0.0/24
CONTAINERD=$RUN/containerd/containerd.sock
export DOCKER_HOST=unix://$RUN/docker.sock
export KUBECONFIG=$STATE/kubeconfig
BIN=$("$REPOSITORY/operator/cluster/build.sh")
export PATH=$BIN:/usr/sbin:/sbin:/usr/bin:$PATH # the distribution's docker fits its daemon
runtime() { ctr -a "$CONTAINERD" -n k8s.io "$@"; }

# pid_of NAME: the process that up.sh started under that name, if it is still that one (a number may have been given again)
pid_of() {
  local pid program
  pid=$(cat "$RUN/$1.pid" 2> /dev/null) && [ -n "$pid" ] || return 0
  { IFS= read -r -d '' program < "/proc/$pid/cmdline"; } 2> /dev/null || return 0
  if [ "${program##*/}" = "$1" ]; then echo "$pid"; fi
}
BEGAN=$(date +%s%N)
say() { printf '  %6.1f s  %s\n' "$((($(date +%s%N) - BEGAN) / 100000000))e-1" "$*"; }
