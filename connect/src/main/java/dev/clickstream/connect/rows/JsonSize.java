package dev.clickstream.connect.rows;

import java.nio.ByteBuffer;
import java.util.List;
import java.util.Map;
import org.apache.kafka.connect.data.Field;
import org.apache.kafka.connect.data.Struct;

/** Tells how many bytes a value takes as JSON: never too few, a few too many for numbers and dates. */
public final class JsonSize {
  private static final int PLAIN = 32; // a number, a date, true, null

  private JsonSize() {}

  public static long of(Object value) {
    if (value instanceof String text) {
      return ofText(text);
    }
    if (value instanceof Struct struct) {
      long size = 2;
      for (Field field : struct.schema().fields()) {
        size += ofText(field.name()) + 2 + of(struct.get(field));
      }
      return size;
    }
    if (value instanceof List<?> list) {
      long size = 2;
      for (Object element : list) {
        size += 1 + of(element);
      }
      return size;
    }
    if (value instanceof Map<?, ?> map) {
      long size = 2;
      for (Map.Entry<?, ?> entry : map.entrySet()) {
        size += 2 + of(entry.getKey()) + of(entry.getValue());
      }
      return size;
    }
    if (value instanceof ByteBuffer buffer) {
      return ofBytes(buffer.remaining());
    }
    return value instanceof byte[] bytes ? ofBytes(bytes.length) : PLAIN;
  }

  private static long ofBytes(int length) {
    return 2 + (length + 2L) / 3 * 4; // base64
  }

  private static long ofText(String text) {
    long size = 2;
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      if (c < ' ') {
        size += 6;
      } else if (c == '"' || c == '\\') {
        size += 2;
      } else {
        size += c < 0x80 ? 1 : c < 0x800 ? 2 : 3; // half of a surrogate pair: 3 for 2
      }
    }
    return size;
  }
}
