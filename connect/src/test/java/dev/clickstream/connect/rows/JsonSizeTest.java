package dev.clickstream.connect.rows;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.util.List;
import java.util.Map;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.apache.kafka.connect.data.Struct;
import org.junit.jupiter.api.Test;

class JsonSizeTest {
  @Test
  void sizeIsNeverTooSmall() {
    Schema schema = SchemaBuilder.struct().field("id", Schema.INT64_SCHEMA).field("name", Schema.STRING_SCHEMA).build();
    Struct row = new Struct(schema).put("id", Long.MIN_VALUE).put("name", "A");
    assertEquals(2 + 6 + 2 + 2 + 1 + 2 + 3 + 6, JsonSize.of("\u0001\"\\aä€😀"));
    assertTrue(JsonSize.of(List.of(1L, "ab")) >= "[1,\"ab\"]".length());
    assertTrue(JsonSize.of(Map.of("k", "v")) >= "{\"k\":\"v\"}".length());
    assertEquals(2 + 8, JsonSize.of(ByteBuffer.allocate(4)));
    assertTrue(JsonSize.of(row) >= "{\"id\":-9223372036854775808,\"name\":\"A\"}".length());
  }
}
