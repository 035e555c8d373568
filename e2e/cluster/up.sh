#!/usr/bin/env bash
# Starts the single-node cluster and leaves alone what already runs. up.sh --help
set -euo pipefail
if [ "${1:-}" = --help ]; then
  cat <<'TEXT'
e2e/cluster/up.sh: a real single-node Kubernetes on this machine, from package registries alone

  etcd, API server, controller manager, scheduler, kubelet, kube-proxy (nftables), containerd, docker, CoreDNS,
  volumes in folders, NetworkPolicies enforced. Needs root on Debian 12 or alike; missing packages are installed.
  First time about 8 minutes (Go builds, one base image), then 10 to 20 s. down.sh stops it.
TEXT
  exit 0
fi
"$(dirname "$0")/prerequisites.sh"
. "$(dirname "$0")/env.sh"
mkdir -p "$STATE"/{cni,volumes} "$RUN" "$LOGS"
pki=$STATE/pki

start() { # start NAME COMMAND...
  local name=$1
  shift
  [ -z "$(pid_of "$name")" ] || return 0
  setsid nohup "$@" >> "$LOGS/$name.log" 2>&1 < /dev/null &
  echo $! > "$RUN/$name.pid"
}
await() { # await SECONDS WHAT COMMAND...
  local tries=$(($1 * 5)) what=$2 i
  shift 2
  for ((i = 0; i < tries; i++)); do
    if "$@" > /dev/null 2>&1; then say "$what" && return 0; fi
    sleep 0.2
  done
  echo "gave up on: $what; logs are in $LOGS" >&2
  return 1
}
put() { # put FILE < TEXT: a file with the same text is left alone (kube-proxy ends when its file is written)
  cat > "$1.new"
  if cmp -s "$1.new" "$1"; then rm "$1.new"; else mv "$1.new" "$1"; fi
}

ip link show clickstream0 > /dev/null 2>&1 || ip link add clickstream0 type bridge
ip addr replace "$NODE_IP/32" dev clickstream0
ip link set clickstream0 up
sysctl -qw net.ipv4.ip_forward=1 fs.inotify.max_user_instances=1024 fs.inotify.max_user_watches=524288
[ -e /dev/kmsg ] || ln -s /dev/null /dev/kmsg
mount --make-rshared / 2> /dev/null || true
"$CLUSTER/pki.sh"
install -m600 "$pki/admin.kubeconfig" "$KUBECONFIG"
"$CLUSTER/system-images.sh"
say "images of the system, certificates"

. "$CLUSTER/configuration.sh"
start containerd containerd -c "$STATE/containerd.toml"
# A cluster for tests: etcd does not wait for the disk.
start etcd etcd --name "$NODE" --data-dir "$STATE/etcd" --unsafe-no-fsync --log-level warn \
  --listen-client-urls http://127.0.0.1:12379 --advertise-client-urls http://127.0.0.1:12379 \
  --listen-peer-urls http://127.0.0.1:12380 --initial-advertise-peer-urls http://127.0.0.1:12380 \
  --initial-cluster "$NODE=http://127.0.0.1:12380"
start kube-apiserver kube-apiserver --etcd-servers=http://127.0.0.1:12379 \
  --advertise-address="$NODE_IP" --bind-address="$NODE_IP" --secure-port=6443 \
  --service-cluster-ip-range="$SERVICES" --allow-privileged=true \
  --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction --client-ca-file="$pki/ca.crt" \
  --tls-cert-file="$pki/apiserver.crt" --tls-private-key-file="$pki/apiserver.key" \
  --kubelet-client-certificate="$pki/apiserver-kubelet-client.crt" --kubelet-client-key="$pki/apiserver-kubelet-client.key" \
  --kubelet-preferred-address-types=InternalIP \
  --service-account-issuer=https://kubernetes.default.svc.cluster.local \
  --service-account-key-file="$pki/sa.pub" --service-account-signing-key-file="$pki/sa.key" \
  --requestheader-client-ca-file="$pki/front-proxy-ca.crt" --requestheader-allowed-names=front-proxy-client \
  --requestheader-username-headers=X-Remote-User --requestheader-group-headers=X-Remote-Group \
  --requestheader-extra-headers-prefix=X-Remote-Extra- \
  --proxy-client-cert-file="$pki/front-proxy-client.crt" --proxy-client-key-file="$pki/front-proxy-client.key"
await 120 "API server" kubectl get --raw /readyz
start kube-controller-manager kube-controller-manager --kubeconfig="$pki/controller-manager.kubeconfig" \
  --authentication-kubeconfig="$pki/controller-manager.kubeconfig" --authorization-kubeconfig="$pki/controller-manager.kubeconfig" \
  --bind-address=127.0.0.1 --leader-elect=false --use-service-account-credentials=true \
  --service-account-private-key-file="$pki/sa.key" --root-ca-file="$pki/ca.crt" \
  --cluster-signing-cert-file="$pki/ca.crt" --cluster-signing-key-file="$pki/ca.key" \
  --allocate-node-cidrs=true --cluster-cidr="$PODS" --service-cluster-ip-range="$SERVICES"
start kube-scheduler kube-scheduler --kubeconfig="$pki/scheduler.kubeconfig" \
  --authentication-kubeconfig="$pki/scheduler.kubeconfig" --authorization-kubeconfig="$pki/scheduler.kubeconfig" \
  --bind-address=127.0.0.1 --leader-elect=false
await 60 "containerd" runtime version
"$CLUSTER/load.sh" "$CACHE"/images/{pause,busybox,coredns,local-path}-*.tar
start kubelet kubelet --config="$STATE/kubelet.yaml" --kubeconfig="$pki/kubelet.kubeconfig" \
  --root-dir="$STATE/kubelet" --cert-dir="$STATE/kubelet/pki" --hostname-override="$NODE" --node-ip="$NODE_IP"
start kube-proxy kube-proxy --config="$STATE/proxy.yaml"
# The network plugin knows no NetworkPolicies.
start network-policies bash -c 'exec -a network-policies python3 "$0"' "$CLUSTER/network_policies.py"
# docker builds images on the cluster's containerd; it has no bridge and touches no firewall rule: builds use the host's network.
start dockerd dockerd --host "$DOCKER_HOST" --containerd "$CONTAINERD" --data-root "$STATE/docker" --exec-root "$RUN/docker" \
  --pidfile "$RUN/docker-own.pid" --iptables=false --ip6tables=false --ip-forward=false --ip-masq=false --bridge=none --storage-driver overlay2
await 90 "node" kubectl wait --for=condition=Ready "node/$NODE" --timeout=1s
sed "s#/var/lib/clickstream-e2e#$STATE#" "$CLUSTER"/manifests/*.yaml | kubectl apply -f - > /dev/null
await 60 "service accounts" kubectl get sa default
kubectl -n kube-system rollout status deploy/coredns deploy/local-path-provisioner --timeout=120s > /dev/null
say "CoreDNS, volumes"
await 60 "docker" docker version
# The base that the Dockerfiles name; a machine with a registry pulls it instead.
base=$(ls "$CACHE"/images/python-*.tar)
mark=$STATE/loaded/docker-$(basename "$base")
if [ ! -e "$mark" ]; then
  docker load --quiet --input "$base" > /dev/null
  rm -f "$STATE"/loaded/docker-python-*.tar && touch "$mark"
  say "base image for docker"
fi
echo "KUBECONFIG=$KUBECONFIG"
