//go:build tools

// Keeps in go.mod the programs that build.sh builds out of other modules.
package main

import (
	_ "github.com/rancher/local-path-provisioner"
	_ "helm.sh/helm/v3/cmd/helm"
	_ "k8s.io/kubernetes/cmd/kubectl"
)
