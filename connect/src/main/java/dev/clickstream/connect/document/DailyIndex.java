package dev.clickstream.connect.document;

import java.time.LocalDate;
import java.time.format.DateTimeFormatter;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;

/**
 * Names the index of a document: {@code <prefix>-YYYY.MM.DD} by the UTC day of its event time.
 *
 * <p>The name follows from the document alone, never from the time it is written at: a replay meets the document it
 * wrote before. A write alias with rollover would not have this property.
 */
public final class DailyIndex {
  static final long MS_PER_DAY = 86_400_000L;
  /** The first millisecond of the year 10000, which no longer fits the name. */
  static final long END_MS = 253_402_300_800_000L;

  private static final DateTimeFormatter DAY = DateTimeFormatter.ofPattern("uuuu.MM.dd", Locale.ROOT);
  private static final int MAX_CACHED = 1_000;

  private final String prefix;
  private final Map<Long, String> names = new HashMap<>();

  public DailyIndex(String prefix) {
    this.prefix = prefix;
  }

  /** Returns the index of an event time in {@code [0, END_MS)}. */
  String of(long eventMs) {
    if (names.size() >= MAX_CACHED) {
      names.clear();
    }
    return names.computeIfAbsent(eventMs / MS_PER_DAY, day -> prefix + "-" + DAY.format(LocalDate.ofEpochDay(day)));
  }
}
