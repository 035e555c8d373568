package dev.clickstream.connect;

import java.util.function.LongSupplier;
import org.apache.kafka.connect.sink.SinkRecord;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Tells in the log that documents are left out of the index as too old: the first at once, then once a minute. */
final class Expired {
  private static final Logger LOG = LoggerFactory.getLogger(Expired.class);
  private static final long EVERY_NS = 60_000_000_000L;

  private final int retentionDays;
  private final LongSupplier nowNs;
  private long untold;
  private long nextNs;
  private boolean told;

  /** @param nowNs a monotonic clock */
  Expired(int retentionDays, LongSupplier nowNs) {
    this.retentionDays = retentionDays;
    this.nowNs = nowNs;
  }

  void found(SinkRecord record) {
    untold++;
    long now = nowNs.getAsLong();
    if (told && now - nextNs < 0) {
      return;
    }
    LOG.warn("{} documents are left out of the index, such as that of {}-{} at offset {}: their day ended more than {} days ago, "
            + "when its index is dropped. To keep them raise the index's retention before they are read",
        untold, record.topic(), record.kafkaPartition(), record.kafkaOffset(), retentionDays);
    untold = 0;
    told = true;
    nextNs = now + EVERY_NS;
  }
}
