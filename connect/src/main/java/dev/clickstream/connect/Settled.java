package dev.clickstream.connect;

import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.Map;
import java.util.Optional;
import org.apache.kafka.connect.sink.SinkRecord;

/**
 * Which of the records of one put() are done, and which of these are bad.
 *
 * <p>When a part of them was not taken, Kafka Connect delivers the very same objects again: those settled are not sent
 * again, so that an engine that asks for relief gets it. Safe for several threads.
 */
final class Settled {
  private final Map<SinkRecord, Optional<BadDocument>> records = Collections.synchronizedMap(new IdentityHashMap<>());

  void indexed(SinkRecord record) {
    records.put(record, Optional.empty());
  }

  void bad(SinkRecord record, BadDocument fault) {
    records.put(record, Optional.of(fault));
  }

  boolean contains(SinkRecord record) {
    return records.containsKey(record);
  }

  /** Returns what is wrong with a record, if something is. */
  Optional<BadDocument> fault(SinkRecord record) {
    return records.getOrDefault(record, Optional.empty());
  }

  void clear() {
    records.clear();
  }
}
