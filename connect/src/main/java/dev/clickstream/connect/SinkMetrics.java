package dev.clickstream.connect;

import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.Supplier;
import org.apache.kafka.common.MetricName;
import org.apache.kafka.common.metrics.Gauge;
import org.apache.kafka.common.metrics.PluginMetrics;
import org.apache.kafka.common.metrics.Sensor;
import org.apache.kafka.common.metrics.stats.Avg;
import org.apache.kafka.common.metrics.stats.Max;

/**
 * A task's counters, in JMX under {@code kafka.connect:type=plugins,connector=...,task=...} where Kafka Connect offers
 * plugin metrics (KIP-877, 4.1 and later); elsewhere they only count. Safe for several threads.
 */
final class SinkMetrics {
  /** Name and description of every metric; README.md's table is made from it. */
  static final Map<String, String> DESCRIPTIONS = descriptions();

  private final LongAdder indexed = new LongAdder();
  private final LongAdder deadLettered = new LongAdder();
  private final LongAdder tombstones = new LongAdder();
  private final LongAdder requests = new LongAdder();
  private final LongAdder retries = new LongAdder();
  private final Optional<Sensor> latency;

  /**
   * @param plugin Kafka Connect's registry, if it has one
   * @param blocked time since the engine last took documents, zero while it does
   */
  SinkMetrics(Optional<PluginMetrics> plugin, Supplier<Duration> blocked) {
    plugin.ifPresent(registry -> {
      counter(registry, "documents-indexed-total", indexed);
      counter(registry, "documents-dead-lettered-total", deadLettered);
      counter(registry, "tombstones-ignored-total", tombstones);
      counter(registry, "bulk-requests-total", requests);
      counter(registry, "retries-total", retries);
      registry.addMetric(name(registry, "blocked-seconds"), (Gauge<Double>) (config, now) -> blocked.get().toMillis() / 1e3);
    });
    latency = plugin.map(registry -> {
      Sensor sensor = registry.addSensor("bulk-request-latency");
      sensor.add(name(registry, "bulk-request-latency-avg-ms"), new Avg());
      sensor.add(name(registry, "bulk-request-latency-max-ms"), new Max());
      return sensor;
    });
  }

  void indexed(int documents) {
    indexed.add(documents);
  }

  void deadLettered() {
    deadLettered.increment();
  }

  void tombstone() {
    tombstones.increment();
  }

  void retry() {
    retries.increment();
  }

  /** Notes one bulk request, answered or not. */
  void request(long tookNs) {
    requests.increment();
    latency.ifPresent(sensor -> sensor.record(tookNs / 1e6));
  }

  long documentsIndexed() {
    return indexed.sum();
  }

  private static void counter(PluginMetrics registry, String name, LongAdder value) {
    registry.addMetric(name(registry, name), (Gauge<Long>) (config, now) -> value.sum());
  }

  private static MetricName name(PluginMetrics registry, String name) {
    return registry.metricName(name, DESCRIPTIONS.get(name), new LinkedHashMap<>());
  }

  private static Map<String, String> descriptions() {
    Map<String, String> all = new LinkedHashMap<>();
    all.put("documents-indexed-total", "Documents that the engine has taken.");
    all.put("documents-dead-lettered-total", "Records reported to the dead-letter queue.");
    all.put("tombstones-ignored-total", "Records without a value.");
    all.put("bulk-requests-total", "Bulk requests sent, answered or not.");
    all.put("retries-total", "Times that records were put back to be sent again later.");
    all.put("blocked-seconds", "Time since the engine last took documents; 0 while it does.");
    all.put("bulk-request-latency-avg-ms", "Mean time of a bulk request over the last windows.");
    all.put("bulk-request-latency-max-ms", "Longest bulk request over the last windows.");
    return all;
  }
}
