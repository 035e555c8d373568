"""The operator as a process on a real kube-apiserver and etcd: `make test-operator`."""
