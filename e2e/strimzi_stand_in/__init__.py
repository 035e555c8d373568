"""Stands in for Strimzi's operators, which no package registry has.

It does for KafkaTopic, KafkaUser, KafkaConnect and KafkaConnector what the real ones do as far as our
operator can see it: Kafka's and Connect's own interfaces are called, conditions, connectorStatus and
observedGeneration are written, annotations are obeyed and taken off, failures are told in Strimzi's words,
and things go in Strimzi's order. It knows nothing of ClickPipelines. What it leaves out: brokers
(e2e/dataplane makes them), versions, rolling updates, TLS to Connect.
`STRIMZI=real` runs the suite without it.
"""
