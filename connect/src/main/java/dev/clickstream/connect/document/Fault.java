package dev.clickstream.connect.document;

import org.apache.kafka.connect.errors.DataException;

/**
 * Says that the record itself is at fault and will be at every attempt: dead-letter it, keep going.
 *
 * <p>The message is {@code reason: detail}. It carries no stack trace, because where in the code a document was found
 * bad helps nobody and costs more than finding it.
 */
public final class Fault extends DataException {
  private static final long serialVersionUID = 1L;
  private static final int MAX_DETAIL = 500;

  public Fault(String reason, String detail) {
    super(reason + ": " + (detail.length() > MAX_DETAIL ? detail.substring(0, MAX_DETAIL) + "..." : detail));
  }

  @Override
  public synchronized Throwable fillInStackTrace() {
    return this;
  }
}
