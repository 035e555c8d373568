"""The CRD and the operator itself: rules, drift, faults, replicas, given pipelines."""
