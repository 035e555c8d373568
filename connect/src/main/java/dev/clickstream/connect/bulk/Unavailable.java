package dev.clickstream.connect.bulk;

import java.time.Duration;

/**
 * Says that the engine, or the way to it, did not take the documents for a reason that is not theirs: wait and send
 * them again.
 *
 * <p>Caught by the task alone, which turns it into Kafka Connect's RetriableException.
 */
public final class Unavailable extends Exception {
  private static final long serialVersionUID = 1L;

  private final transient Duration retryAfter;

  /** @param retryAfter how long the engine asks to be left alone; zero if it did not say */
  Unavailable(String message, Duration retryAfter) {
    super(message, null, false, false);
    this.retryAfter = retryAfter;
  }

  Unavailable(String message) {
    this(message, Duration.ZERO);
  }

  public Duration retryAfter() {
    return retryAfter;
  }
}
