package dev.clickstream.connect;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.metrics.Metrics;
import org.apache.kafka.common.metrics.PluginMetrics;
import org.apache.kafka.common.metrics.internals.PluginMetricsImpl;
import org.apache.kafka.connect.errors.RetriableException;
import org.apache.kafka.connect.sink.ErrantRecordReporter;
import org.apache.kafka.connect.sink.SinkRecord;
import org.apache.kafka.connect.sink.SinkTaskContext;

/** A task with what Kafka Connect gives it: settings, a dead-letter queue, metrics, and redelivery after a RetriableException. */
public final class TaskUnderTest implements AutoCloseable {
  static final long NOON = 1_690_000_000_000L; // 2023-07-22T04:26:40Z
  static final String DAY = "clicks-2023.07.22";

  public final SearchSinkTask task = new SearchSinkTask();
  final Map<SinkRecord, String> deadLetters = new LinkedHashMap<>();
  final List<Long> waits = new ArrayList<>();
  final Metrics metrics = new Metrics();
  boolean deadLetterQueue = true;
  private long offset;

  public TaskUnderTest(String url, String... more) {
    Map<String, String> settings = new HashMap<>(Map.of("url", url, "index", "clicks", "retry.backoff.ms", "10", "retry.backoff.max.ms", "20"));
    for (int i = 0; i < more.length; i += 2) {
      settings.put(more[i], more[i + 1]);
    }
    task.initialize(new Context(settings));
    task.start(settings);
  }

  SinkRecord record(Object value) {
    return new SinkRecord("enriched-clicks", 3, null, "alice", null, value, offset++);
  }

  static byte[] json(String id, long eventMs) {
    return ("{\"event_id\":\"" + id + "\",\"timestamp\":" + eventMs + "}").getBytes(java.nio.charset.StandardCharsets.UTF_8);
  }

  public List<SinkRecord> records(String... ids) {
    return Arrays.stream(ids).map(id -> record(json(id, NOON))).toList();
  }

  /** Delivers until the task takes the records, as Kafka Connect does. */
  void deliver(Collection<SinkRecord> records) {
    long deadline = System.nanoTime() + 20_000_000_000L;
    while (true) {
      try {
        task.put(records);
        return;
      } catch (RetriableException e) {
        if (System.nanoTime() > deadline) {
          throw new AssertionError("not taken within 20 s", e);
        }
        java.util.concurrent.locks.LockSupport.parkNanos(waits.get(waits.size() - 1) * 1_000_000);
      }
    }
  }

  double metric(String name) {
    return metrics.metrics().entrySet().stream().filter(metric -> metric.getKey().name().equals(name))
        .map(metric -> ((Number) metric.getValue().metricValue()).doubleValue()).findFirst().orElseThrow();
  }

  @Override
  public void close() {
    task.stop();
    metrics.close();
  }

  private final class Context implements SinkTaskContext {
    private final Map<String, String> settings;
    private final PluginMetrics plugin = new PluginMetricsImpl(metrics, new LinkedHashMap<>(Map.of("connector", "c")));

    Context(Map<String, String> settings) {
      this.settings = settings;
    }

    @Override
    public Map<String, String> configs() {
      return settings;
    }

    @Override
    public void timeout(long timeoutMs) {
      waits.add(timeoutMs);
    }

    @Override
    public ErrantRecordReporter errantRecordReporter() {
      return !deadLetterQueue ? null : (record, error) -> {
        if (deadLetters.put(record, error.getMessage()) != null) {
          throw new AssertionError("dead-lettered twice: " + record);
        }
        return CompletableFuture.completedFuture(null);
      };
    }

    @Override
    public PluginMetrics pluginMetrics() {
      return plugin;
    }

    @Override
    public void offset(Map<TopicPartition, Long> offsets) {
      throw new UnsupportedOperationException();
    }

    @Override
    public void offset(TopicPartition partition, long position) {
      throw new UnsupportedOperationException();
    }

    @Override
    public Set<TopicPartition> assignment() {
      return Set.of();
    }

    @Override
    public void pause(TopicPartition... partitions) {
      throw new UnsupportedOperationException();
    }

    @Override
    public void resume(TopicPartition... partitions) {
      throw new UnsupportedOperationException();
    }

    @Override
    public void requestCommit() {
      throw new UnsupportedOperationException();
    }
  }
}
