package dev.clickstream.connect;

import org.apache.kafka.connect.errors.RetriableException;

/** Tells Kafka Connect to deliver the same records again later. Without a stack trace: it is logged at each attempt. */
final class Waiting extends RetriableException {
  private static final long serialVersionUID = 1L;

  Waiting(String message) {
    super(message);
  }

  @Override
  public synchronized Throwable fillInStackTrace() {
    return this;
  }
}
