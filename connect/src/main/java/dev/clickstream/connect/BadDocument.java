package dev.clickstream.connect;

import dev.clickstream.connect.document.Fault;
import org.apache.kafka.connect.errors.DataException;

/**
 * Tells Kafka Connect what is wrong with a record.
 *
 * <p>Kafka Connect puts the message and this class's full name into the dead letter's headers: its readers see both. It
 * carries no stack trace, as the fault itself carries none.
 */
final class BadDocument extends DataException {
  private static final long serialVersionUID = 1L;

  BadDocument(Fault fault) {
    super(fault.getMessage());
  }

  @Override
  public synchronized Throwable fillInStackTrace() {
    return this;
  }
}
