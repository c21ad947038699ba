#!/usr/bin/env bash
# Makes a certificate authority for the cluster that begins, a certificate for each of its programs, and a kubeconfig for each that
# is a client of the API server. usage: certs.sh FOLDER, with `kubectl` in the path
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
etc=$1
mkdir -p "$etc/pki"
cd "$etc/pki"

new_key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"; }

certificate() { # name, subject, alternative names
  new_key "$1"
  openssl req -new -key "$1.key" -subj "$2" -out "$1.csr"
  openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 365 -out "$1.crt" 2>/dev/null -extfile <(
    printf 'keyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\n'
    [ -z "${3:-}" ] || echo "subjectAltName=$3"
  )
}

kubeconfig() { # name, subject
  local config=(command kubectl config "--kubeconfig=$etc/$1.kubeconfig")
  certificate "$1" "$2"
  "${config[@]}" set-cluster tests --server="https://$API_HOST:6443" --certificate-authority=ca.crt --embed-certs
  "${config[@]}" set-credentials self --client-certificate="$1.crt" --client-key="$1.key" --embed-certs
  "${config[@]}" set-context tests --cluster=tests --user=self
  "${config[@]}" use-context tests
} >/dev/null

new_key ca
openssl req -x509 -new -key ca.key -subj /CN=kubernetes -days 365 -out ca.crt \
  -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign 2>/dev/null
new_key accounts
openssl ec -in accounts.key -pubout -out accounts.pub 2>/dev/null
names=DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local,DNS:localhost
certificate apiserver /CN=kube-apiserver "$names,IP:127.0.0.1,IP:$NODE_IP,IP:$API_IP"
certificate kubelet-server /CN=node-0 "DNS:node-0,IP:$NODE_IP"
certificate kubelet-client /O=system:masters/CN=apiserver
kubeconfig scheduler /CN=system:kube-scheduler
kubeconfig controller-manager /CN=system:kube-controller-manager
kubeconfig kubelet /O=system:nodes/CN=system:node:node-0
kubeconfig proxy /CN=system:kube-proxy
kubeconfig admin /O=system:masters/CN=admin
