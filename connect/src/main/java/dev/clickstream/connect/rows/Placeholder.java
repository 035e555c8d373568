package dev.clickstream.connect.rows;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import org.apache.kafka.connect.data.Field;
import org.apache.kafka.connect.data.Struct;

/**
 * Finds what Debezium writes for a value that PostgreSQL left out of the log: a long value, stored aside (TOAST), that
 * an update did not change.
 */
public final class Placeholder {
  public static final String TEXT = "__debezium_unavailable_value";
  private static final byte[] BYTES = TEXT.getBytes(StandardCharsets.UTF_8);

  private Placeholder() {}

  /** Returns the first column of a row that holds it, or null. */
  public static Field in(Struct row) {
    for (Field field : row.schema().fields()) {
      if (is(row.get(field))) {
        return field;
      }
    }
    return null;
  }

  private static boolean is(Object value) {
    if (value instanceof String text) {
      return text.equals(TEXT);
    }
    if (value instanceof ByteBuffer buffer) {
      return buffer.equals(ByteBuffer.wrap(BYTES));
    }
    if (value instanceof List<?> list) {
      return list.size() == 1 ? is(list.get(0)) : areBytes(list);
    }
    return value instanceof Map<?, ?> map && map.size() == 1 && map.containsKey(TEXT);
  }

  /** Arrays of numbers hold its bytes, one an element. */
  private static boolean areBytes(List<?> list) {
    if (list.size() != BYTES.length) {
      return false;
    }
    for (int i = 0; i < BYTES.length; i++) {
      if (!(list.get(i) instanceof Number number) || number.longValue() != BYTES[i]) {
        return false;
      }
    }
    return true;
  }
}
