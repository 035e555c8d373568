#!/usr/bin/env bash
# Writes go.mod and go.sum: pin.sh KUBERNETES COREDNS HELM LOCAL-PATH-PROVISIONER (no v in front). Needed only to
# change a version. The pins stand in go.mod BEFORE the tidy: a tidy that finds them itself takes the newest, which
# pull in an etcd client that the etcd server does not fit.
set -euo pipefail
kubernetes=${1:-1.36.3} coredns=${2:-1.14.6} helm=${3:-3.21.4} local_path=${4:-0.0.30}
cd "$(dirname "$0")"
go mod download "k8s.io/kubernetes@v$kubernetes"
source=$(go env GOMODCACHE)/cache/download/k8s.io/kubernetes/@v/v$kubernetes.mod
{
  echo "module kubernetes"
  echo
  grep -E '^go ' "$source"
  grep -E '^godebug ' "$source" || true
  echo
  echo "require ("
  printf '\tk8s.io/kubernetes v%s\n\tgithub.com/coredns/coredns v%s\n' "$kubernetes" "$coredns"
  printf '\thelm.sh/helm/v3 v%s\n\tgithub.com/rancher/local-path-provisioner v%s\n)\n' "$helm" "$local_path"
  # Kubernetes' own requirements, less its staging placeholders v0.0.0
  awk '/^require \(/{p=1} p{print} /^\)/{p=0}' "$source" | grep -vE '^\sk8s\.io/[a-z-]+ v0\.0\.0( |$)'
  # Each staging module by its published version: 1.X.Y is 0.X.Y there
  echo "replace ("
  sed -nE 's#^\s(k8s\.io/[a-z-]+) => \./staging/.*#\t\1 => \1 v'"0.${kubernetes#1.}"'#p' "$source"
  echo ")"
} > go.mod
rm -f go.sum
go mod tidy -e
