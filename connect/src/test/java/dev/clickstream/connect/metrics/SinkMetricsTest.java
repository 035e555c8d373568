package dev.clickstream.connect.metrics;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import org.apache.kafka.common.metrics.KafkaMetric;
import org.apache.kafka.common.metrics.Metrics;
import org.apache.kafka.common.metrics.internals.PluginMetricsImpl;
import org.junit.jupiter.api.Test;

class SinkMetricsTest {
  private static final Map<String, String> TASK = Map.of("connector", "search", "task", "0");

  private final Metrics worker = new Metrics();

  /** When Kafka was away for long, a worker starts a task again before the one it gave up has ended. */
  @Test
  void aTaskStartsWhileOneOfTheSameIdHasNotEndedAndIsSeenOnceItHas() throws Exception {
    PluginMetricsImpl givenUp = new PluginMetricsImpl(worker, TASK);
    SinkMetrics old = new SinkMetrics(Optional.of(givenUp), () -> Duration.ZERO);
    old.indexed(7);

    SinkMetrics next = new SinkMetrics(Optional.of(new PluginMetricsImpl(worker, TASK)), () -> Duration.ZERO);
    next.indexed(3);
    next.request(1_000_000);
    assertEquals(7L, told("documents-indexed-total"));

    givenUp.close();
    next.request(2_000_000);
    assertEquals(3L, told("documents-indexed-total"));
    assertEquals(2L, told("bulk-requests-total"));
    assertEquals(2.0, told("bulk-request-latency-max-ms"));
    assertEquals(SinkMetrics.DESCRIPTIONS.size(), ours());
  }

  @Test
  void everyTaskHasALatencyOfItsOwnThatStaysWhenAnotherEnds() throws Exception {
    Map<String, String> other = Map.of("connector", "search", "task", "1");
    PluginMetricsImpl ending = new PluginMetricsImpl(worker, other);
    SinkMetrics first = new SinkMetrics(Optional.of(new PluginMetricsImpl(worker, TASK)), () -> Duration.ZERO);
    SinkMetrics second = new SinkMetrics(Optional.of(ending), () -> Duration.ZERO);
    first.request(5_000_000);
    second.request(50_000_000);
    assertEquals(50.0, told("bulk-request-latency-max-ms", other));
    ending.close();
    assertEquals(5.0, told("bulk-request-latency-max-ms"));
  }

  private Object told(String name) {
    return told(name, TASK);
  }

  private Object told(String name, Map<String, String> task) {
    return worker.metrics().entrySet().stream()
        .filter(entry -> entry.getKey().name().equals(name) && entry.getKey().tags().equals(task))
        .map(Map.Entry::getValue)
        .map(KafkaMetric::metricValue)
        .findFirst()
        .orElseThrow();
  }

  private long ours() {
    return worker.metrics().keySet().stream().filter(name -> SinkMetrics.DESCRIPTIONS.containsKey(name.name())).count();
  }
}
