#!/usr/bin/env bash
# Builds etcd, Kubernetes (control plane and node), kubectl, helm, CoreDNS and the local path provisioner from Go
# modules, once for each state of this folder, and prints the folder they are in. build.sh --help
set -euo pipefail
if [ "${1:-}" = --help ]; then
  cat <<'TEXT'
operator/cluster/build.sh: build the Kubernetes programs that the tests run

  Prints the folder of the programs. They are kept in ${CLICKSTREAM_CACHE:-~/.cache/clickstream}/cluster
  and built again when this folder changes (about 7 minutes cold, on two cores). Needs Go 1.26 or newer (https://go.dev/dl).
TEXT
  exit 0
fi
cd "$(dirname "$0")"
key=$(cat main.go coredns/main.go tools.go go.mod go.sum build.sh | sha256sum | cut -c1-16)
root=${CLICKSTREAM_CACHE:-$HOME/.cache/clickstream}/cluster
bin=$root/$key
mkdir -p "$root"
exec 9> "$root/lock"
flock 9 # two suites at once build once
if [ ! -e "$bin/complete" ]; then
  command -v go > /dev/null || { echo "operator/cluster: needs Go 1.26 or newer to build Kubernetes: see https://go.dev/dl" >&2; exit 1; }
  kubernetes=$(sed -nE 's#^\s+k8s.io/kubernetes (v[0-9.]+)$#\1#p' go.mod)
  helm=$(sed -nE 's#^\s+helm.sh/helm/v3 (v[0-9.]+)$#\1#p' go.mod)
  stamps=
  for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
    stamps+=" -X $package.gitVersion=$kubernetes -X $package.gitMajor=1 -X $package.gitMinor=$(cut -d. -f2 <<< "$kubernetes")"
    stamps+=" -X $package.gitTreeState=clean -X $package.gitCommit=local -X $package.buildDate=1970-01-01T00:00:00Z"
  done
  export CGO_ENABLED=0
  made=0
  tell() { echo "operator/cluster: $*" >&2; }
  tell "building 5 programs from Go modules, once: about 7 minutes on two cores"
  build() { # build NAME PACKAGE STAMPS
    local began=$SECONDS
    tell "building $1, $((made += 1)) of 5"
    go build -trimpath -ldflags "-s -w $3" -o "$bin/$1" "$2" 2> >(grep -v '^go: downloading' >&2)
    tell "built $1 in $((SECONDS - began)) s"
  }
  build kubernetes . "$stamps"
  build kubectl k8s.io/kubernetes/cmd/kubectl "$stamps"
  # Helm takes the cluster's version for `helm template` from client-go's stamp.
  build helm helm.sh/helm/v3/cmd/helm "$stamps -X helm.sh/helm/v3/internal/version.version=$helm"
  build coredns ./coredns ""
  build local-path-provisioner github.com/rancher/local-path-provisioner ""
  for program in etcd kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy; do
    ln -sf kubernetes "$bin/$program"
  done
  touch "$bin/complete"
  find "$root" -mindepth 1 -maxdepth 1 -type d ! -name "$key" -mtime +7 -exec rm -rf {} + # states of long ago
fi
echo "$bin"
