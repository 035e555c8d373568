#!/usr/bin/env bash
# Stops the cluster; touches only what up.sh started. down.sh --help
set -uo pipefail
if [ "${1:-}" = --help ]; then
  cat <<'TEXT'
e2e/cluster/down.sh [--crash | --purge]: stop the cluster

  Keeps etcd's data, images and volumes for the next up.sh. --crash kills everything at once, as a power cut would;
  --purge removes the state too.
TEXT
  exit 0
fi
. "$(dirname "$0")/env.sh"
mode=${1:-}
stop() { # stop SIGNAL NAME...: signals all, waits 10 s for all, then kills
  local signal=$1 name pid i
  shift
  [ "$mode" != --crash ] || signal=KILL
  for name; do
    pid=$(pid_of "$name")
    [ -z "$pid" ] || kill "-$signal" "$pid" 2> /dev/null
  done
  for name; do
    pid=$(pid_of "$name")
    for ((i = 0; i < 100; i++)); do
      [ -n "$pid" ] && kill -0 "$pid" 2> /dev/null || break
      sleep 0.1
    done
    [ -z "$pid" ] || kill -KILL "$pid" 2> /dev/null
    rm -f "$RUN/$name.pid"
  done
}
kill_tasks() { # kill_tasks NAMESPACE: every container, its processes and its record
  local tasks task container round
  for task in $(ctr -a "$CONTAINERD" -n "$1" task ls -q 2> /dev/null); do
    ctr -a "$CONTAINERD" -n "$1" task kill -a -s KILL "$task" > /dev/null 2>&1 &
  done
  wait
  for round in 1 2 3; do
    tasks=$(ctr -a "$CONTAINERD" -n "$1" task ls -q 2> /dev/null)
    [ -n "$tasks" ] || break
    for task in $tasks; do ctr -a "$CONTAINERD" -n "$1" task rm -f "$task" > /dev/null 2>&1 & done
    wait
    sleep 0.3
  done
  for container in $(ctr -a "$CONTAINERD" -n "$1" containers ls -q 2> /dev/null); do
    ctr -a "$CONTAINERD" -n "$1" containers rm "$container" > /dev/null 2>&1 &
  done
  wait
}
stop TERM network-policies dockerd kubelet kube-proxy kube-controller-manager kube-scheduler
stop KILL kube-apiserver # in order it drains for 10 s and more
if [ -n "$(pid_of containerd)" ]; then
  kill_tasks k8s.io
  kill_tasks moby
fi
stop TERM etcd containerd
# What pods left behind: mounts, network namespaces (and with them their interfaces), firewall rules, control groups.
grep -oE " ($STATE|$RUN)/[^ ]+" /proc/self/mounts | sort -r | while read -r mount; do umount -l "$mount" 2> /dev/null; done
for name in $(ls /run/netns 2> /dev/null | grep '^cni-'); do ip netns del "$name" 2> /dev/null; done
kube-proxy --cleanup > /dev/null 2>&1
nft delete table ip clickstream-policies 2> /dev/null
iptables-save -t nat 2> /dev/null | grep -E '^-A (POSTROUTING|PREROUTING|OUTPUT) .*CNI-' | sed 's/^-A/-D/' |
  while read -r rule; do eval "iptables -t nat $rule" 2> /dev/null; done
for operation in F X; do
  for chain in $(iptables-save -t nat 2> /dev/null | sed -nE 's/^:(CNI-[^ ]+).*/\1/p'); do
    iptables -t nat "-$operation" "$chain" 2> /dev/null
  done
done
find /sys/fs/cgroup/*/kubepods /sys/fs/cgroup/kubepods -depth -type d -exec rmdir {} + 2> /dev/null
ip link del clickstream0 2> /dev/null
rm -rf "$RUN"
[ "$mode" != --purge ] || rm -rf "$STATE"
say "the cluster is down"
