package dev.clickstream.connect;

import dev.clickstream.connect.rows.JsonSize;
import dev.clickstream.connect.rows.KeyText;
import dev.clickstream.connect.rows.Placeholder;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.kafka.common.config.AbstractConfig;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.common.config.ConfigDef.Importance;
import org.apache.kafka.common.config.ConfigDef.Type;
import org.apache.kafka.connect.components.Versioned;
import org.apache.kafka.connect.data.Field;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.source.SourceRecord;
import org.apache.kafka.connect.transforms.Transformation;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Turns Debezium's change events of one table into rows: keyed by the user as text, flat, a delete as a tombstone.
 *
 * <p>Whatever a row is, it never stops the connector: what cannot become a row of a user becomes a notice, a record of
 * the same topic whose key is no user's and whose value says what was refused and why. Readers of the topic refuse it
 * (it has no {@code user_id}), and say so.
 */
public final class ProfileRows implements Transformation<SourceRecord>, Versioned {
  static final String KEY = "key";
  static final String TOPIC = "topic";
  static final String MAX_BYTES = "max.bytes";
  static final String USER_ID = "user_id";
  static final String NOTICE_PREFIX = "clickstream:refused:";

  private static final int MAX_KEY_BYTES = 1_024; // of a user's id, everywhere
  private static final Logger LOG = LoggerFactory.getLogger(ProfileRows.class);
  private static final long LOG_EVERY_NANOS = Duration.ofSeconds(10).toNanos();

  static final ConfigDef DEFINITION =
      new ConfigDef()
          .define(KEY, Type.STRING, ConfigDef.NO_DEFAULT_VALUE, Importance.HIGH, "The column with the user's id.")
          .define(TOPIC, Type.STRING, ConfigDef.NO_DEFAULT_VALUE, Importance.HIGH, "Where the rows go.")
          .define(
              MAX_BYTES,
              Type.INT,
              1_000_000,
              ConfigDef.Range.atLeast(1_000),
              Importance.LOW,
              "The longest row, in bytes of JSON. Below what producer and topic take.");

  private String key;
  private String topic;
  private int maxBytes;
  private Schema lastIn;
  private Schema lastOut;
  private long loggedAtNanos;
  private long unsaid;

  @Override
  public void configure(Map<String, ?> given) {
    AbstractConfig config = new AbstractConfig(DEFINITION, given);
    key = config.getString(KEY);
    topic = config.getString(TOPIC);
    maxBytes = config.getInt(MAX_BYTES);
    loggedAtNanos = System.nanoTime() - LOG_EVERY_NANOS;
  }

  @Override
  public SourceRecord apply(SourceRecord event) {
    if (!(event.value() instanceof Struct change)) {
      return null; // Debezium's own tombstone, which follows its delete: ours is made of the delete
    }
    String op = change.getString("op");
    if ("t".equals(op)) {
      return notice(event, change, "table-truncated", "profiles of before are still joined", null);
    }
    boolean deleted = "d".equals(op);
    Struct row = change.getStruct(deleted ? "before" : "after");
    Field field = row == null ? null : row.schema().field(key);
    Object id = field == null ? null : row.getWithoutDefault(field.name());
    if (deleted ? KeyText.isMissing(id) : id == null) {
      return notice(event, change, "row-without-key", withoutKey(field, deleted), row);
    }
    String user = KeyText.of(field.schema(), id);
    if (user == null) {
      return notice(event, change, "key-not-text", "column " + key + " has no exact text", row);
    }
    int keyBytes = user.getBytes(StandardCharsets.UTF_8).length;
    if (keyBytes > MAX_KEY_BYTES) {
      return notice(event, change, "key-too-long", keyBytes + " bytes, allowed " + MAX_KEY_BYTES, row);
    }
    if (deleted) {
      return to(event, user, null, null);
    }
    Field unavailable = Placeholder.in(row);
    if (unavailable != null) {
      String detail = "column " + unavailable.name() + " was not in the change and could not be read";
      return notice(event, change, "value-unavailable", detail, row);
    }
    long size = JsonSize.of(row);
    if (size > maxBytes) {
      String detail = "about " + size + " bytes of JSON, allowed " + maxBytes;
      return notice(event, change, "row-too-large", detail, row);
    }
    return to(event, user, rowSchema(row.schema()), flat(row, user));
  }

  private String withoutKey(Field field, boolean deleted) {
    if (field == null) {
      return "the change has no column " + key + ": it was dropped or renamed";
    }
    return deleted
        ? "the deleted row's " + key + " is unknown: it is not in the table's REPLICA IDENTITY"
        : "column " + key + " is null";
  }

  private Struct flat(Struct row, String user) {
    Struct value = new Struct(rowSchema(row.schema()));
    for (Field field : row.schema().fields()) {
      if (field.name().equals(key)) {
        value.put(USER_ID, user);
      } else if (!field.name().equals(USER_ID)) {
        value.put(field.name(), row.getWithoutDefault(field.name()));
      }
    }
    return value;
  }

  private SourceRecord to(SourceRecord event, String user, Schema schema, Object value) {
    return event.newRecord(topic, null, Schema.STRING_SCHEMA, user, schema, value, event.timestamp());
  }

  /** Returns the rows' schema: the table's, with the key as text under the name that all pipelines use. */
  private Schema rowSchema(Schema table) {
    if (table != lastIn) {
      SchemaBuilder schema = SchemaBuilder.struct();
      for (Field field : table.fields()) {
        if (field.name().equals(key)) {
          schema.field(USER_ID, Schema.STRING_SCHEMA);
        } else if (!field.name().equals(USER_ID)) {
          schema.field(field.name(), field.schema());
        }
      }
      lastIn = table;
      lastOut = schema.build();
    }
    return lastOut;
  }

  private SourceRecord notice(SourceRecord event, Struct change, String reason, String detail, Struct row) {
    Struct source = change.getStruct("source");
    Map<String, Object> value = new LinkedHashMap<>();
    value.put("refused", reason);
    value.put("detail", detail);
    value.put("table", source.getString("schema") + "." + source.getString("table"));
    value.put("op", change.getString("op"));
    value.put("at_ms", source.getInt64("ts_ms"));
    value.put("lsn", source.schema().field("lsn") == null ? null : source.getInt64("lsn"));
    if (row != null) {
      value.put("row", excerpt(row));
    }
    long now = System.nanoTime();
    if (now - loggedAtNanos >= LOG_EVERY_NANOS) {
      LOG.warn("A change of {} was refused: {}: {} ({} more before)", value.get("table"), reason, detail, unsaid);
      loggedAtNanos = now;
      unsaid = 0;
    } else {
      unsaid++;
    }
    return event.newRecord(
        topic, null, Schema.STRING_SCHEMA, NOTICE_PREFIX + reason, null, value, event.timestamp());
  }

  /** Returns the short values of a row, by which a person can find it. */
  private static Map<String, Object> excerpt(Struct row) {
    Map<String, Object> found = new LinkedHashMap<>();
    for (Field field : row.schema().fields()) {
      Object value = row.getWithoutDefault(field.name());
      boolean plain = value instanceof Number || value instanceof Boolean;
      if (found.size() < 10 && (plain || value instanceof String text && text.length() <= 100)) {
        found.put(field.name(), value);
      }
    }
    return found;
  }

  @Override
  public ConfigDef config() {
    return DEFINITION;
  }

  @Override
  public void close() {
    lastIn = lastOut = null;
  }

  @Override
  public String version() {
    return Version.ofThisJar();
  }
}
