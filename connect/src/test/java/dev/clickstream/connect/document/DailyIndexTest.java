package dev.clickstream.connect.document;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class DailyIndexTest {
  @ParameterizedTest
  @CsvSource({
      "0, clicks-1970.01.01",
      "86399999, clicks-1970.01.01",
      "86400000, clicks-1970.01.02",
      "1709164800000, clicks-2024.02.29",
      "253402300799999, clicks-9999.12.31"})
  void aDayBeginsAtMidnightUtc(long eventMs, String index) {
    assertEquals(index, new DailyIndex("clicks").of(eventMs));
  }
}
