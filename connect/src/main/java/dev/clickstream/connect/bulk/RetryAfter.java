package dev.clickstream.connect.bulk;

import java.time.Duration;
import java.time.Instant;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeParseException;
import java.util.Optional;

/** The header Retry-After (RFC 9110, section 10.2.3): seconds or a date. */
final class RetryAfter {
  /** Nobody waits longer than this on a header's word. */
  static final Duration MAX = Duration.ofMinutes(10);

  private RetryAfter() {}

  /** Returns how long to wait, at most {@link #MAX}; zero if the header is absent, past or unreadable. */
  static Duration parse(Optional<String> header, Instant now) {
    Duration wait = Duration.ZERO;
    String text = header.orElse("").trim();
    try {
      if (text.matches("\\d{1,9}")) {
        wait = Duration.ofSeconds(Long.parseLong(text));
      } else if (!text.isEmpty()) {
        wait = Duration.between(now, ZonedDateTime.parse(text, DateTimeFormatter.RFC_1123_DATE_TIME).toInstant());
      }
    } catch (DateTimeParseException e) {
      return Duration.ZERO;
    }
    return wait.isNegative() ? Duration.ZERO : wait.compareTo(MAX) > 0 ? MAX : wait;
  }
}
