package dev.clickstream.connect.bulk;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.time.Duration;
import java.time.Instant;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class RetryAfterTest {
  @ParameterizedTest
  @CsvSource({
      "7, 7",
      "' 7 ', 7",
      "0, 0",
      "'Sat, 22 Jul 2023 04:27:10 GMT', 30",
      "'Sat, 22 Jul 2023 04:00:00 GMT', 0",
      "99999999, 600",
      "soon, 0",
      "-3, 0",
      "'', 0"})
  void retryAfterIsSecondsOrADate(String header, long seconds) {
    assertEquals(Duration.ofSeconds(seconds), RetryAfter.parse(Optional.of(header), Instant.parse("2023-07-22T04:26:40Z")));
  }

  @Test
  void noRetryAfterIsNoWish() {
    assertEquals(Duration.ZERO, RetryAfter.parse(Optional.empty(), Instant.EPOCH));
  }
}
