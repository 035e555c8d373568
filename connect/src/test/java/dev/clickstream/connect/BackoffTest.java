package dev.clickstream.connect;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.time.Duration;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

class BackoffTest {
  private final AtomicLong nowNs = new AtomicLong(Long.MAX_VALUE - 1_000); // nanoTime may overflow
  private double random = 0.5;
  private final Backoff backoff = new Backoff(100, 1_000, () -> random, nowNs::get);

  private long failed() {
    return backoff.failed(Duration.ZERO);
  }

  @Test
  void theWaitDoublesUpToTheCap() {
    assertEquals(100, failed());
    assertEquals(200, failed());
    assertEquals(400, failed());
    assertEquals(800, failed());
    assertEquals(1_000, failed());
    for (int i = 0; i < 100; i++) {
      failed();
    }
    assertEquals(1_000, failed());
  }

  @Test
  void theWaitIsFiveTimesAFifthMoreOrLess() {
    random = 0;
    assertEquals(80, failed());
    backoff.succeeded();
    random = 0.999_999;
    assertEquals(120, failed());
  }

  @Test
  void theEnginesWishGoesFirst() {
    assertEquals(30_000, backoff.failed(Duration.ofSeconds(30)));
  }

  @Test
  void successStartsAnew() {
    failed();
    failed();
    backoff.succeeded();
    assertEquals(0, backoff.remainingMs());
    assertEquals(Duration.ZERO, backoff.blocked());
    assertEquals(100, failed());
  }

  @Test
  void theRestOfTheWaitIsKnown() {
    failed();
    nowNs.addAndGet(60_000_000);
    assertEquals(40, backoff.remainingMs());
    assertEquals(Duration.ofMillis(60), backoff.blocked());
    nowNs.addAndGet(60_000_000);
    assertEquals(0, backoff.remainingMs());
  }
}
