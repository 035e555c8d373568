package dev.clickstream.connect.rows;

import java.math.BigDecimal;
import java.util.Map;
import org.apache.kafka.connect.data.Schema;

/** Turns a key column's value into the text that clicks carry as their user_id. */
public final class KeyText {
  private static final double EXACT = 9_007_199_254_740_992.0; // from 2^53 on a double may have lost digits
  private static final String TYPE = "__debezium.source.column.type";

  private KeyText() {}

  /** Returns the text, or null where the value has no exact one (a numeric from 2^53 on, bytes, times, lists). */
  public static String of(Schema schema, Object value) {
    if (schema.name() != null && !schema.name().startsWith("io.debezium.data.")) {
      return null; // a date, a time, a duration: numbers that mean something else
    }
    if (value instanceof String text) {
      return isPadded(schema) ? text.stripTrailing() : text;
    }
    if (value instanceof Double || value instanceof Float) {
      double number = ((Number) value).doubleValue();
      // Also false for NaN and the infinities.
      return Math.abs(number) < EXACT ? BigDecimal.valueOf(number).stripTrailingZeros().toPlainString() : null;
    }
    return value instanceof Number || value instanceof Boolean ? value.toString() : null;
  }

  /**
   * Tells whether a value is what Debezium writes for a NOT NULL column that PostgreSQL left out of a deleted row, as
   * it leaves out all that is not in the table's REPLICA IDENTITY.
   */
  public static boolean isMissing(Object value) {
    return value == null || "".equals(value) || value instanceof Number number && number.doubleValue() == 0;
  }

  /** Tells whether the column is char(n), whose values PostgreSQL fills up with blanks that mean nothing. */
  private static boolean isPadded(Schema schema) {
    Map<String, String> parameters = schema.parameters();
    return parameters != null && "BPCHAR".equalsIgnoreCase(parameters.get(TYPE));
  }
}
