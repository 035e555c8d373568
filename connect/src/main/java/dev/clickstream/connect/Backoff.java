package dev.clickstream.connect;

import java.time.Duration;
import java.util.function.DoubleSupplier;
import java.util.function.LongSupplier;

/**
 * How long to wait between attempts: doubling up to a cap, 20 % more or less at random; the engine's own wish goes first.
 *
 * <p>Safe for several threads: metrics are read by others than the task's own.
 */
final class Backoff {
  private static final double JITTER = 0.2;

  private final long firstMs;
  private final long maxMs;
  private final DoubleSupplier random;
  private final LongSupplier nowNs;
  private int failures;
  private long firstFailureNs;
  private long untilNs;

  /**
   * @param random gives numbers in [0, 1)
   * @param nowNs a monotonic clock
   */
  Backoff(long firstMs, long maxMs, DoubleSupplier random, LongSupplier nowNs) {
    this.firstMs = firstMs;
    this.maxMs = maxMs;
    this.random = random;
    this.nowNs = nowNs;
  }

  /** Notes a failure and returns how many milliseconds to wait. */
  synchronized long failed(Duration retryAfter) {
    long now = nowNs.getAsLong();
    if (failures == 0) {
      firstFailureNs = now;
    }
    double doubled = Math.min(maxMs, firstMs * Math.pow(2, Math.min(failures, 30)));
    long waitMs = Math.round(doubled * (1 - JITTER + 2 * JITTER * random.getAsDouble()));
    waitMs = Math.max(Math.min(waitMs, maxMs), retryAfter.toMillis());
    failures++;
    untilNs = now + waitMs * 1_000_000;
    return waitMs;
  }

  synchronized void succeeded() {
    failures = 0;
  }

  /** Attempts that failed since the last success. */
  synchronized int failures() {
    return failures;
  }

  /** Milliseconds that are still to be waited: Kafka Connect may ask earlier than it was told to. */
  synchronized long remainingMs() {
    return failures == 0 ? 0 : Math.max(0, (untilNs - nowNs.getAsLong() + 999_999) / 1_000_000);
  }

  /** Time since the first of the failures, zero if the last attempt succeeded. */
  synchronized Duration blocked() {
    return failures == 0 ? Duration.ZERO : Duration.ofNanos(nowNs.getAsLong() - firstFailureNs);
  }
}
