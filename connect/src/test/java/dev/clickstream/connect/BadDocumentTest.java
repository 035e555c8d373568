package dev.clickstream.connect;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.clickstream.connect.document.Fault;
import org.junit.jupiter.api.Test;

class BadDocumentTest {
  /** Readers of dead letters see the class's name and the message in the headers. */
  @Test
  void itsNameAndTheFaultsMessageAreWhatADeadLetterShows() {
    BadDocument bad = new BadDocument(new Fault("not-json", "detail"));
    assertEquals("dev.clickstream.connect.BadDocument", bad.getClass().getName());
    assertEquals("not-json: detail", bad.getMessage());
    assertEquals(0, bad.getStackTrace().length);
  }
}
