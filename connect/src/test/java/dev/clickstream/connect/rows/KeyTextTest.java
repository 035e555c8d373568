package dev.clickstream.connect.rows;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import java.math.BigDecimal;
import java.nio.ByteBuffer;
import java.util.Date;
import org.apache.kafka.connect.data.Decimal;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.apache.kafka.connect.data.Timestamp;
import org.junit.jupiter.api.Test;

class KeyTextTest {
  @Test
  void keysAreExactTextOrNone() {
    assertEquals("7", KeyText.of(Schema.INT16_SCHEMA, (short) 7));
    assertEquals("-1", KeyText.of(Schema.INT64_SCHEMA, -1L));
    assertEquals("42", KeyText.of(Schema.FLOAT64_SCHEMA, 42.0));
    assertEquals("100000000000", KeyText.of(Schema.FLOAT64_SCHEMA, 1e11));
    assertEquals("1.5", KeyText.of(Schema.FLOAT64_SCHEMA, 1.5));
    assertNull(KeyText.of(Schema.FLOAT64_SCHEMA, 9007199254740992.0));
    assertNull(KeyText.of(Schema.FLOAT64_SCHEMA, Double.NaN));
    assertNull(KeyText.of(Timestamp.SCHEMA, new Date(0)));
    assertNull(KeyText.of(Decimal.schema(0), BigDecimal.ONE));
    assertNull(KeyText.of(Schema.BYTES_SCHEMA, ByteBuffer.allocate(1)));
    assertEquals("a ", KeyText.of(Schema.STRING_SCHEMA, "a "));
    Schema padded = SchemaBuilder.string().parameter("__debezium.source.column.type", "BPCHAR").build();
    assertEquals("a", KeyText.of(padded, "a  "));
  }
}
