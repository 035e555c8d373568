package dev.clickstream.connect;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import dev.clickstream.connect.rows.Placeholder;
import java.util.Map;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.source.SourceRecord;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Change events in, rows and notices out. On real tables: local/tests/sources/test_profile_tables.py. */
class ProfileRowsTest {
  private static final Schema SOURCE =
      SchemaBuilder.struct()
          .field("schema", Schema.STRING_SCHEMA)
          .field("table", Schema.STRING_SCHEMA)
          .field("ts_ms", Schema.INT64_SCHEMA)
          .field("lsn", Schema.OPTIONAL_INT64_SCHEMA)
          .build();
  private static final Schema ROW =
      SchemaBuilder.struct()
          .optional()
          .field("id", Schema.OPTIONAL_INT64_SCHEMA)
          .field("name", SchemaBuilder.string().optional().defaultValue("nobody").build())
          .build();

  private final ProfileRows step = new ProfileRows();

  ProfileRowsTest() {
    step.configure(Map.of("key", "id", "topic", "user-profiles", "max.bytes", "1000"));
  }

  @Test
  void rowIsKeyedByTheUserAsTextAndFlat() {
    SourceRecord row = step.apply(event("u", null, row(42L, "A")));
    assertEquals("user-profiles", row.topic());
    assertEquals("42", row.key());
    Struct value = (Struct) row.value();
    assertEquals("42", value.get("user_id"));
    assertEquals("A", value.get("name"));
    assertNull(value.schema().field("id"));
  }

  @Test
  void nullStaysNullWhateverTheColumnsDefault() {
    Struct value = (Struct) step.apply(event("c", null, row(42L, null))).value();
    assertNull(value.getWithoutDefault("name"));
  }

  @Test
  void deleteIsOneTombstone() {
    SourceRecord tombstone = step.apply(event("d", row(42L, null), null));
    assertEquals("42", tombstone.key());
    assertNull(tombstone.value());
    assertNull(tombstone.valueSchema());
    assertNull(step.apply(new SourceRecord(Map.of(), Map.of(), "t", null, null)));
  }

  @ParameterizedTest
  @ValueSource(longs = {0, Long.MIN_VALUE})
  void deleteWithoutTheUsersIdIsANotice(long id) {
    Struct before = id == 0 ? row(0L, null) : row(null, "A");
    assertNotice("row-without-key", event("d", before, null));
  }

  @Test
  void changeThatCannotBecomeARowIsANotice() {
    assertNotice("table-truncated", event("t", null, null));
    assertNotice("row-without-key", event("d", null, null));
    assertNotice("row-without-key", event("u", null, row(null, "A")));
    assertNotice("row-too-large", event("u", null, row(1L, "x".repeat(1000))));
    assertNotice("value-unavailable", event("u", null, row(1L, Placeholder.TEXT)));
    ProfileRows byName = new ProfileRows();
    byName.configure(Map.of("key", "name", "topic", "user-profiles"));
    String longest = "é".repeat(512);
    assertEquals(longest, byName.apply(event("u", null, row(1L, longest))).key());
    SourceRecord tooLong = byName.apply(event("u", null, row(1L, longest + "x")));
    assertEquals("clickstream:refused:key-too-long", tooLong.key());
    ProfileRows other = new ProfileRows();
    other.configure(Map.of("key", "gone", "topic", "user-profiles"));
    assertEquals("clickstream:refused:row-without-key", other.apply(event("u", null, row(1L, "A"))).key());
  }

  @Test
  void noticeNamesTheTableAndTheRow() {
    Map<?, ?> value = (Map<?, ?>) step.apply(event("u", null, row(null, "A"))).value();
    assertEquals("public.users", value.get("table"));
    assertEquals(Map.of("name", "A"), value.get("row"));
    assertEquals(17L, value.get("lsn"));
  }

  private void assertNotice(String reason, SourceRecord event) {
    SourceRecord notice = step.apply(event);
    assertEquals("user-profiles", notice.topic());
    assertEquals("clickstream:refused:" + reason, notice.key());
    assertEquals(reason, ((Map<?, ?>) notice.value()).get("refused"));
  }

  private static Struct row(Long id, String name) {
    return new Struct(ROW).put("id", id).put("name", name);
  }

  private static SourceRecord event(String op, Struct before, Struct after) {
    Schema schema =
        SchemaBuilder.struct()
            .field("op", Schema.STRING_SCHEMA)
            .field("before", ROW)
            .field("after", ROW)
            .field("source", SOURCE)
            .build();
    Struct source = new Struct(SOURCE).put("schema", "public").put("table", "users").put("ts_ms", 5L).put("lsn", 17L);
    Struct value = new Struct(schema).put("op", op).put("before", before).put("after", after).put("source", source);
    return new SourceRecord(Map.of(), Map.of(), "p.public.users", schema, value);
  }
}
