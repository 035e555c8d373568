package dev.clickstream.connect;

import java.util.Collection;
import java.util.HashMap;
import java.util.Map;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.connect.sink.SinkRecord;

/**
 * How far the records of each partition are settled, so that no offset beyond is committed.
 *
 * <p>Kafka Connect (4.3.1 and earlier) keeps the offsets of a batch that waits to be delivered again when it drops that
 * batch in a rebalance, and takes the next empty put() for its delivery: it would commit records that no engine has.
 */
final class Delivered {
  private final Map<TopicPartition, Long> next = new HashMap<>();

  /** Notes records that are settled, each and all. */
  void settled(Collection<SinkRecord> records) {
    for (SinkRecord record : records) {
      next.put(new TopicPartition(record.originalTopic(), record.originalKafkaPartition()), record.originalKafkaOffset() + 1);
    }
  }

  /** Forgets partitions that come or go: what is committed is read from there on. */
  void forget(Collection<TopicPartition> partitions) {
    next.keySet().removeAll(partitions);
  }

  /** Returns what of the offsets that Kafka Connect would commit may be committed. */
  Map<TopicPartition, OffsetAndMetadata> of(Map<TopicPartition, OffsetAndMetadata> offsets) {
    Map<TopicPartition, OffsetAndMetadata> delivered = new HashMap<>();
    offsets.forEach((partition, offset) -> {
      Long reached = next.get(partition);
      if (reached != null) {
        delivered.put(partition, reached < offset.offset() ? new OffsetAndMetadata(reached) : offset);
      }
    });
    return delivered;
  }
}
