package dev.clickstream.connect.bulk;

import dev.clickstream.connect.document.Fault;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.Map;
import java.util.Optional;
import org.apache.kafka.connect.sink.SinkRecord;

/**
 * Remembers which of the records of one put() are done, and which of these are bad.
 *
 * <p>When a part of them was not taken, Kafka Connect delivers the very same objects again: those settled are not sent
 * again, so that an engine that asks for relief gets it. Safe for several threads.
 */
public final class Settled {
  private final Map<SinkRecord, Optional<Fault>> records = Collections.synchronizedMap(new IdentityHashMap<>());

  public void indexed(SinkRecord record) {
    records.put(record, Optional.empty());
  }

  public void bad(SinkRecord record, Fault fault) {
    records.put(record, Optional.of(fault));
  }

  public boolean contains(SinkRecord record) {
    return records.containsKey(record);
  }

  /** Returns what is wrong with a record, if something is. */
  public Optional<Fault> fault(SinkRecord record) {
    return records.getOrDefault(record, Optional.empty());
  }

  public void clear() {
    records.clear();
  }
}
