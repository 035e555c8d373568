"""Which partition a key is of: the client's own murmur2, as Java's clients partition."""

from confluent_kafka import murmur2

partition_of = murmur2
