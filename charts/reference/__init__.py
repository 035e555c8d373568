"""Reference pages made from what they describe: the fields from the CRD, the metrics from the code."""
