#!/usr/bin/env bash
# Makes the cluster's certificates and kubeconfigs, once.
set -euo pipefail
. "$(dirname "$0")/env.sh"
mkdir -p "$STATE/pki" && cd "$STATE/pki"
[ ! -e complete ] || exit 0
umask 077
authority() {
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.key" 2> /dev/null
  openssl req -x509 -new -key "$1.key" -subj "/CN=$1" -days 3650 -out "$1.crt" \
    -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign,cRLSign,digitalSignature" 2> /dev/null
}
certificate() { # certificate NAME AUTHORITY SUBJECT USAGE [NAMES]
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.key" 2> /dev/null
  openssl req -new -key "$1.key" -subj "$3" -out "$1.csr"
  {
    echo "keyUsage=critical,digitalSignature,keyEncipherment"
    echo "extendedKeyUsage=$4"
    [ -z "${5:-}" ] || echo "subjectAltName=$5"
  } > "$1.ext"
  openssl x509 -req -in "$1.csr" -CA "$2.crt" -CAkey "$2.key" -CAcreateserial -days 3650 -extfile "$1.ext" -out "$1.crt" 2> /dev/null
}
authority ca
authority front-proxy-ca
service=kubernetes.default.svc
certificate apiserver ca /CN=kube-apiserver serverAuth \
  "IP:$NODE_IP,IP:127.0.0.1,IP:$API_SERVICE,DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:$service,DNS:$service.cluster.local"
certificate apiserver-kubelet-client ca /O=system:masters/CN=kube-apiserver-kubelet-client clientAuth
certificate front-proxy-client front-proxy-ca /CN=front-proxy-client clientAuth
certificate admin ca /O=system:masters/CN=admin clientAuth
certificate controller-manager ca /CN=system:kube-controller-manager clientAuth
certificate scheduler ca /CN=system:kube-scheduler clientAuth
certificate proxy ca /CN=system:kube-proxy clientAuth
certificate kubelet ca "/O=system:nodes/CN=system:node:$NODE" clientAuth
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out sa.key 2> /dev/null
openssl rsa -in sa.key -pubout -out sa.pub 2> /dev/null
for user in admin controller-manager scheduler proxy kubelet; do
  cat > "$user.kubeconfig" <<YAML
apiVersion: v1
kind: Config
clusters: [{name: $NODE, cluster: {server: "https://$NODE_IP:6443", certificate-authority-data: $(base64 -w0 ca.crt)}}]
users: [{name: $user, user: {client-certificate-data: $(base64 -w0 "$user.crt"), client-key-data: $(base64 -w0 "$user.key")}}]
contexts: [{name: $NODE, context: {cluster: $NODE, user: $user}}]
current-context: $NODE
YAML
done
touch complete
