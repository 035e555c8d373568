package dev.clickstream.connect;

import dev.clickstream.connect.bulk.BulkClient;
import dev.clickstream.connect.bulk.BulkWriter;
import dev.clickstream.connect.bulk.Endpoints;
import dev.clickstream.connect.bulk.Settled;
import dev.clickstream.connect.bulk.Unavailable;
import dev.clickstream.connect.config.SearchSinkConfig;
import dev.clickstream.connect.document.DailyIndex;
import dev.clickstream.connect.document.Document;
import dev.clickstream.connect.document.DocumentReader;
import dev.clickstream.connect.document.Fault;
import dev.clickstream.connect.metrics.SinkMetrics;
import java.time.Clock;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.ThreadLocalRandom;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.metrics.PluginMetrics;
import org.apache.kafka.connect.errors.ConnectException;
import org.apache.kafka.connect.sink.ErrantRecordReporter;
import org.apache.kafka.connect.sink.SinkRecord;
import org.apache.kafka.connect.sink.SinkTask;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Takes records from Kafka Connect and brings each into the index or into the dead-letter queue before put() returns.
 *
 * <p>No record is held back between calls, so Kafka Connect may commit the offsets of all that put() has returned for.
 * What is not the document's own fault is waited out for as long as it lasts.
 */
public final class SearchSinkTask extends SinkTask {
  private static final Logger LOG = LoggerFactory.getLogger(SearchSinkTask.class);

  private final Settled settled = new Settled();
  private final Delivered delivered = new Delivered();
  private DocumentReader reader;
  private BulkWriter writer;
  private Backoff backoff;
  private SinkMetrics metrics;
  private Expired expired;

  @Override
  public String version() {
    return Version.ofThisJar();
  }

  @Override
  public void start(Map<String, String> given) {
    SearchSinkConfig config = new SearchSinkConfig(given);
    backoff = new Backoff(
        config.getLong(SearchSinkConfig.RETRY_BACKOFF_MS),
        config.getLong(SearchSinkConfig.RETRY_BACKOFF_MAX_MS),
        () -> ThreadLocalRandom.current().nextDouble(),
        System::nanoTime);
    metrics = new SinkMetrics(pluginMetrics(), backoff::blocked);
    expired = new Expired(config.getInt(SearchSinkConfig.RETENTION_DAYS), System::nanoTime);
    reader = new DocumentReader(
        new DailyIndex(config.getString(SearchSinkConfig.INDEX)),
        config.getString(SearchSinkConfig.ID_FIELD),
        config.getString(SearchSinkConfig.TIMESTAMP_FIELD),
        config.getInt(SearchSinkConfig.MAX_AGE_DAYS),
        config.getInt(SearchSinkConfig.RETENTION_DAYS),
        Clock.systemUTC());
    Endpoints endpoints = new Endpoints(config.urls(), ThreadLocalRandom.current().nextInt(config.urls().size()));
    writer = new BulkWriter(
        new BulkClient(config, endpoints, metrics),
        config.getInt(SearchSinkConfig.BATCH_MAX_RECORDS),
        config.getInt(SearchSinkConfig.BATCH_MAX_BYTES),
        config.getInt(SearchSinkConfig.MAX_IN_FLIGHT),
        metrics);
    LOG.info("Indexing into {}-YYYY.MM.DD at {}", config.getString(SearchSinkConfig.INDEX), config.urls());
  }

  /**
   * 1. Read the documents; 2. send them; 3. only when all are settled, report the bad ones: a batch that is delivered
   * again must not dead-letter twice.
   */
  @Override
  public void put(Collection<SinkRecord> records) {
    if (records.isEmpty()) {
      return;
    }
    long remainingMs = backoff.remainingMs();
    if (remainingMs > 0) {
      context.timeout(remainingMs);
      throw new Waiting("waiting another " + remainingMs + " ms for the search engine");
    }
    List<Document> documents = read(records); // 1
    try {
      writer.write(documents, settled); // 2
    } catch (Unavailable e) {
      metrics.retry();
      long waitMs = backoff.failed(e.retryAfter());
      context.timeout(waitMs);
      throw new Waiting(e.getMessage() + "; attempt " + backoff.failures() + ", again in " + waitMs + " ms");
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new Waiting("the task is stopped");
    }
    if (backoff.failures() > 0) {
      LOG.info("The search engine takes documents again after {} s and {} failed attempts", backoff.blocked().toSeconds(), backoff.failures());
      backoff.succeeded();
    }
    report(records); // 3
    settled.clear();
    delivered.settled(records);
  }

  @Override
  public void open(Collection<TopicPartition> partitions) {
    delivered.forget(partitions);
  }

  @Override
  public void close(Collection<TopicPartition> partitions) {
    delivered.forget(partitions);
    settled.clear(); // Kafka Connect drops the batch that waits
  }

  @Override
  public Map<TopicPartition, OffsetAndMetadata> preCommit(Map<TopicPartition, OffsetAndMetadata> offsets) {
    return delivered.of(offsets);
  }

  @Override
  public void stop() {
    if (writer != null) {
      writer.close();
    }
  }

  private List<Document> read(Collection<SinkRecord> records) {
    List<Document> documents = new ArrayList<>(records.size());
    for (SinkRecord record : records) {
      if (settled.contains(record)) {
        continue;
      }
      if (record.value() == null) {
        metrics.tombstone();
        settled.indexed(record); // nothing to do: documents go with their daily index
        continue;
      }
      try {
        reader.read(record).ifPresentOrElse(documents::add, () -> {
          expired.found(record);
          metrics.expired();
          settled.indexed(record); // nothing to do: its index would be dropped at once
        });
      } catch (Fault e) {
        settled.bad(record, e);
      }
    }
    return documents;
  }

  private void report(Collection<SinkRecord> records) {
    List<Future<Void>> reports = new ArrayList<>();
    for (SinkRecord record : records) {
      settled.fault(record).ifPresent(fault -> {
        BadDocument bad = new BadDocument(fault);
        reports.add(reporter(record, bad).report(record, bad));
        metrics.deadLettered();
      });
    }
    try {
      for (Future<Void> report : reports) {
        report.get();
      }
    } catch (ExecutionException e) {
      throw new ConnectException("cannot write to the dead-letter queue", e.getCause());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new Waiting("the task is stopped");
    }
  }

  private ErrantRecordReporter reporter(SinkRecord record, BadDocument bad) {
    ErrantRecordReporter reporter = context.errantRecordReporter();
    if (reporter == null) {
      String place = record.topic() + "-" + record.kafkaPartition() + " at offset " + record.kafkaOffset();
      throw new ConnectException("a bad document in " + place
          + ", and no dead-letter queue: set errors.tolerance=all and errors.deadletterqueue.topic.name", bad);
    }
    return reporter;
  }

  /** Workers before Kafka 4.1 know no plugin metrics. */
  private Optional<PluginMetrics> pluginMetrics() {
    try {
      return Optional.ofNullable(context.pluginMetrics());
    } catch (LinkageError e) {
      return Optional.empty();
    }
  }
}
