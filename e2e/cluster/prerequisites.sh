#!/usr/bin/env bash
# Checks what the cluster needs of the machine; installs Debian packages that are missing, when it may.
set -euo pipefail
declare -A package=(
  [/usr/bin/containerd]=containerd [/usr/sbin/runc]=runc [/usr/lib/cni/ptp]=containernetworking-plugins
  [/usr/sbin/iptables]=iptables [/usr/sbin/nft]=nftables [/usr/sbin/conntrack]=conntrack [/usr/sbin/ip]=iproute2
  [/usr/sbin/debootstrap]=debootstrap [/usr/bin/gcc]=gcc [/usr/bin/openssl]=openssl [/usr/sbin/dockerd]=docker.io
  [/usr/include/stdlib.h]=libc6-dev
)
[ "$(id -u)" = 0 ] || { echo "the cluster runs as root: namespaces, mounts and firewall rules are its own; or use KIND=1, E2E_KUBECONFIG=" >&2; exit 1; }
missing=()
for file in "${!package[@]}"; do
  [ -e "$file" ] || missing+=("${package[$file]}")
done
if [ ${#missing[@]} -gt 0 ]; then
  command -v apt-get > /dev/null || { echo "missing: ${missing[*]} (names of Debian's packages)" >&2; exit 1; }
  echo "  installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq && apt-get install -y --no-install-recommends -qq "${missing[@]}" > /dev/null
fi
