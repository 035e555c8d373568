package dev.clickstream.connect.document;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.Optional;
import org.apache.kafka.connect.sink.SinkRecord;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class DocumentReaderTest {
  private static final long NOW = 1_690_000_000_000L;
  private static final Clock CLOCK = Clock.fixed(Instant.ofEpochMilli(NOW), ZoneOffset.UTC);

  private static Document read(Object value, int maxAgeDays) {
    return read(value, maxAgeDays, 0).orElseThrow();
  }

  private static Optional<Document> read(Object value, int maxAgeDays, int retentionDays) {
    DocumentReader reader = new DocumentReader(new DailyIndex("clicks"), "event_id", "timestamp", maxAgeDays, retentionDays, CLOCK);
    return reader.read(new SinkRecord("t", 0, null, null, null, value, 0));
  }

  private static String text(byte[] bytes) {
    return new String(bytes, StandardCharsets.UTF_8);
  }

  @Test
  void theBytesGoThroughUnchanged() {
    byte[] value = "{ \"event_id\" : \"a\",\"timestamp\":1690000000000 ,\"price\":1.10, \"name\":\"Zo\u00eb\"}".getBytes(StandardCharsets.UTF_8);
    assertArrayEquals(value, read(value, 0).source());
  }

  @Test
  void theActionNamesIndexAndId() {
    assertEquals("{\"index\":{\"_index\":\"clicks-2023.07.22\",\"_id\":\"a\"}}", text(read("{\"event_id\":\"a\",\"timestamp\":1690000000000}", 0).action()));
  }

  @Test
  void anIdIsEscaped() {
    Document document = read("{\"event_id\":\"a\\\"\\n\\\\\u00eb\",\"timestamp\":0}", 0);
    assertEquals("{\"index\":{\"_index\":\"clicks-1970.01.01\",\"_id\":\"a\\\"\\n\\\\\u00eb\"}}", text(document.action()));
  }

  @Test
  void aWholeNumberIsAnId() {
    assertEquals("42", read("{\"event_id\":42,\"timestamp\":0}", 0).id());
  }

  @Test
  void lineEndsBetweenTokensBecomeSpaces() {
    assertEquals("{ \"event_id\":\"a\",  \"timestamp\":0 }", text(read("{\n\"event_id\":\"a\",\r\n\"timestamp\":0\n}", 0).source()));
  }

  @Test
  void fieldsInsideOthersAreNotTheDocuments() {
    Document document = read("{\"x\":{\"event_id\":\"inner\",\"timestamp\":5},\"event_id\":\"outer\",\"timestamp\":1690000000000}", 0);
    assertEquals("outer", document.id());
  }

  @ParameterizedTest
  @CsvSource(quoteCharacter = '\'', value = {
      "'{broken', not-json",
      "'', not-json",
      "'[1]', not-json",
      "'\"text\"', not-json",
      "'null', not-json",
      "'{\"event_id\":\"a\",\"timestamp\":0} {}', not-json",
      "'{\"event_id\":\"a\",\"timestamp\":0}x', not-json",
      "'{\"event_id\":\"a\nb\",\"timestamp\":0}', not-json",
      "'{\"timestamp\":0}', missing-field",
      "'{\"event_id\":\"a\"}', missing-field",
      "'{\"event_id\":null,\"timestamp\":0}', mistyped-field",
      "'{\"event_id\":true,\"timestamp\":0}', mistyped-field",
      "'{\"event_id\":{\"a\":1},\"timestamp\":0}', mistyped-field",
      "'{\"event_id\":1.5,\"timestamp\":0}', mistyped-field",
      "'{\"event_id\":\"\",\"timestamp\":0}', mistyped-field",
      "'{\"event_id\":\"\\ud800\",\"timestamp\":0}', mistyped-field",
      "'{\"event_id\":\"a\",\"timestamp\":\"0\"}', mistyped-field",
      "'{\"event_id\":\"a\",\"timestamp\":null}', mistyped-field",
      "'{\"event_id\":\"a\",\"timestamp\":1.0}', mistyped-field",
      "'{\"event_id\":\"a\",\"timestamp\":-1}', mistyped-field",
      "'{\"event_id\":\"a\",\"timestamp\":253402300800000}', mistyped-field",
      "'{\"event_id\":\"a\",\"timestamp\":99999999999999999999}', mistyped-field"})
  void whatIsNoDocumentSaysWhy(String value, String reason) {
    Fault fault = assertThrows(Fault.class, () -> read(value, 0));
    assertTrue(fault.getMessage().startsWith(reason + ": "), fault.getMessage());
  }

  @Test
  void utf16IsNotTaken() {
    byte[] utf16 = "{\"event_id\":\"a\",\"timestamp\":0}".getBytes(StandardCharsets.UTF_16BE);
    assertThrows(Fault.class, () -> read(utf16, 0));
  }

  @ParameterizedTest
  @CsvSource({"512, true", "513, false"})
  void anIdHasAtMost512Bytes(int bytes, boolean taken) {
    String value = "{\"event_id\":\"" + "\u00eb".repeat(bytes / 2) + "x".repeat(bytes % 2) + "\",\"timestamp\":0}";
    if (taken) {
      assertEquals(bytes / 2, read(value, 0).id().length());
    } else {
      assertThrows(Fault.class, () -> read(value, 0));
    }
  }

  @Test
  void anOldDayIsBadOnlyWhereALimitIsSet() {
    String weekOld = "{\"event_id\":\"a\",\"timestamp\":" + (NOW - 7 * DailyIndex.MS_PER_DAY) + "}";
    assertEquals("a", read(weekOld, 0).id());
    assertEquals("a", read(weekOld, 7).id());
    assertTrue(assertThrows(Fault.class, () -> read(weekOld, 6)).getMessage().startsWith("too-old: "));
  }

  @ParameterizedTest
  @CsvSource({"0, 0, true", "1, -1, true", "1, 0, false", "7, -1, true", "7, 0, false", "36500, 0, false"})
  void aDayIsLeftOutFromTheMomentItsIndexIsDropped(int retentionDays, int ms, boolean taken) {
    Clock clock = Clock.fixed(Instant.ofEpochMilli(1_690_070_400_000L + retentionDays * DailyIndex.MS_PER_DAY + ms), ZoneOffset.UTC); // 2023-07-23T00:00Z and later
    DocumentReader reader = new DocumentReader(new DailyIndex("clicks"), "event_id", "timestamp", 0, retentionDays, clock);
    String value = "{\"event_id\":\"a\",\"timestamp\":" + NOW + "}"; // 2023-07-22
    assertEquals(taken, reader.read(new SinkRecord("t", 0, null, null, null, value, 0)).isPresent());
  }

  @Test
  void whatIsNoDocumentIsBadHoweverOldItIs() {
    assertThrows(Fault.class, () -> read("{\"timestamp\":0}", 0, 1));
    assertEquals(Optional.empty(), read("{\"event_id\":\"a\",\"timestamp\":0}", 0, 1));
  }
}
