"""Reference pages made from what they describe: from the CRD, the code and the chart."""
