package dev.clickstream.connect.metrics;

import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
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
 * Counts what a task does, in JMX under {@code kafka.connect:type=plugins,connector=...,task=...} where Kafka Connect
 * offers plugin metrics (KIP-877, 4.1 and later); elsewhere it only counts. Safe for several threads.
 */
public final class SinkMetrics {
  /** Name and description of every metric; README.md's table is made from it. */
  public static final Map<String, String> DESCRIPTIONS = descriptions();

  private final LongAdder indexed = new LongAdder();
  private final LongAdder deadLettered = new LongAdder();
  private final LongAdder tombstones = new LongAdder();
  private final LongAdder expired = new LongAdder();
  private final LongAdder requests = new LongAdder();
  private final LongAdder retries = new LongAdder();
  private final Optional<PluginMetrics> plugin;
  private final Supplier<Duration> blocked;
  private Sensor latency; // null: not registered

  /**
   * @param plugin Kafka Connect's registry, if it has one
   * @param blocked time since the engine last took documents, zero while it does
   */
  public SinkMetrics(Optional<PluginMetrics> plugin, Supplier<Duration> blocked) {
    this.plugin = plugin;
    this.blocked = blocked;
    register();
  }

  /**
   * Registers all metrics, or none: a task that the worker gave up while Kafka was away keeps the names until it has
   * ended, which may be after the next one of the same id has begun. Each bulk request tries again.
   */
  private synchronized void register() {
    if (plugin.isEmpty() || latency != null) {
      return;
    }
    PluginMetrics registry = plugin.get();
    List<MetricName> done = new ArrayList<>();
    try {
      counter(registry, "documents-indexed-total", indexed, done);
      counter(registry, "documents-dead-lettered-total", deadLettered, done);
      counter(registry, "tombstones-ignored-total", tombstones, done);
      counter(registry, "documents-expired-total", expired, done);
      counter(registry, "bulk-requests-total", requests, done);
      counter(registry, "retries-total", retries, done);
      add(registry, "blocked-seconds", (Gauge<Double>) (config, now) -> blocked.get().toMillis() / 1e3, done);
    } catch (IllegalArgumentException taken) {
      done.forEach(registry::removeMetric);
      return;
    }
    MetricName mean = name(registry, "bulk-request-latency-avg-ms");
    // Sensors of all tasks of the worker share one space of names, and one that is closed takes its metrics along.
    latency = registry.addSensor("bulk-request-latency " + mean.tags());
    latency.add(mean, new Avg());
    latency.add(name(registry, "bulk-request-latency-max-ms"), new Max());
  }

  public void indexed(int documents) {
    indexed.add(documents);
  }

  public void deadLettered() {
    deadLettered.increment();
  }

  public void tombstone() {
    tombstones.increment();
  }

  public void expired() {
    expired.increment();
  }

  public void retry() {
    retries.increment();
  }

  /** Notes one bulk request, answered or not. */
  public synchronized void request(long tookNs) {
    requests.increment();
    register();
    if (latency != null) {
      latency.record(tookNs / 1e6);
    }
  }

  long documentsIndexed() {
    return indexed.sum();
  }

  private static void counter(PluginMetrics registry, String name, LongAdder value, List<MetricName> done) {
    add(registry, name, (Gauge<Long>) (config, now) -> value.sum(), done);
  }

  private static void add(PluginMetrics registry, String name, Gauge<?> value, List<MetricName> done) {
    MetricName full = name(registry, name);
    registry.addMetric(full, value);
    done.add(full);
  }

  private static MetricName name(PluginMetrics registry, String name) {
    return registry.metricName(name, DESCRIPTIONS.get(name), new LinkedHashMap<>());
  }

  private static Map<String, String> descriptions() {
    Map<String, String> all = new LinkedHashMap<>();
    all.put("documents-indexed-total", "Documents that the engine has taken.");
    all.put("documents-dead-lettered-total", "Records reported to the dead-letter queue.");
    all.put("tombstones-ignored-total", "Records without a value.");
    all.put("documents-expired-total", "Records left out because their day is past index.retention.days.");
    all.put("bulk-requests-total", "Bulk requests sent, answered or not.");
    all.put("retries-total", "Times that records were put back to be sent again later.");
    all.put("blocked-seconds", "Time since the engine last took documents; 0 while it does.");
    all.put("bulk-request-latency-avg-ms", "Mean time of a bulk request over the last windows.");
    all.put("bulk-request-latency-max-ms", "Longest bulk request over the last windows.");
    return all;
  }
}
