package dev.clickstream.connect.document;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.io.JsonStringEncoder;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Clock;
import java.util.Optional;
import org.apache.kafka.connect.errors.ConnectException;
import org.apache.kafka.connect.sink.SinkRecord;

/**
 * Turns a record's value into a document with its id and index.
 *
 * <p>The whole value is parsed, so that one broken document cannot spoil the request of the others; the bytes then go
 * through unchanged. Used by one thread.
 */
public final class DocumentReader {
  /** The engines refuse a whole request for one longer id. */
  private static final int MAX_ID_BYTES = 512;

  private static final byte[] ACTION_INDEX = utf8("{\"index\":{\"_index\":\"");
  private static final byte[] ACTION_ID = utf8("\",\"_id\":\"");
  private static final byte[] ACTION_END = utf8("\"}}");

  private final JsonFactory json = JsonFactory.builder().disable(JsonFactory.Feature.INTERN_FIELD_NAMES).build();
  private final JsonStringEncoder encoder = JsonStringEncoder.getInstance();
  private final DailyIndex index;
  private final String idField;
  private final String timestampField;
  private final long maxAgeDays;
  private final long retentionDays;
  private final Clock clock;

  /**
   * @param maxAgeDays greatest age of a document's day, 0 for any
   * @param retentionDays days after its end at which a day's index is dropped, 0 for never
   */
  public DocumentReader(DailyIndex index, String idField, String timestampField, int maxAgeDays, int retentionDays, Clock clock) {
    this.index = index;
    this.idField = idField;
    this.timestampField = timestampField;
    this.maxAgeDays = maxAgeDays;
    this.retentionDays = retentionDays;
    this.clock = clock;
  }

  /**
   * Returns the document of a record that has a value, or nothing if the index of its day is due to be dropped.
   *
   * @throws Fault if the value is not a document; dead-letter it
   * @throws ConnectException if the connector's converter is not one that hands on bytes or text
   */
  public Optional<Document> read(SinkRecord record) {
    byte[] value = bytes(record.value());
    Fields fields = fields(value);
    byte[] id = id(fields.id);
    checkAge(fields.eventMs);
    byte[] source = oneLine(value);
    return isExpired(fields.eventMs) ? Optional.empty() : Optional.of(new Document(record, fields.id, action(index.of(fields.eventMs), id), source));
  }

  private static byte[] bytes(Object value) {
    if (value instanceof byte[] raw) {
      return raw;
    }
    if (value instanceof String text) {
      return utf8(text);
    }
    throw new ConnectException("value.converter hands on " + value.getClass().getName()
        + "; allowed are org.apache.kafka.connect.converters.ByteArrayConverter and org.apache.kafka.connect.storage.StringConverter");
  }

  private Fields fields(byte[] value) {
    Fields found = new Fields();
    try (JsonParser parser = json.createParser(value)) {
      if (parser.nextToken() != JsonToken.START_OBJECT) {
        throw new Fault("not-json", "the value is not a JSON object");
      }
      for (String name = parser.nextFieldName(); name != null; name = parser.nextFieldName()) {
        JsonToken token = parser.nextToken();
        if (name.equals(idField)) {
          found.id = idText(parser, token);
        } else if (name.equals(timestampField)) {
          found.eventMs = eventMs(parser, token);
        } else {
          parser.skipChildren();
        }
      }
      if (parser.nextToken() != null) {
        throw new Fault("not-json", "something follows the JSON object");
      }
    } catch (JsonProcessingException e) {
      throw new Fault("not-json", e.getOriginalMessage());
    } catch (IOException e) {
      throw new Fault("not-json", String.valueOf(e.getMessage()));
    }
    if (found.id == null || found.eventMs < 0) {
      throw new Fault("missing-field", "there is no field " + (found.id == null ? idField : timestampField));
    }
    return found;
  }

  private String idText(JsonParser parser, JsonToken token) throws IOException {
    if (token != JsonToken.VALUE_STRING && token != JsonToken.VALUE_NUMBER_INT) {
      throw new Fault("mistyped-field", idField + " is neither a string nor a whole number");
    }
    return parser.getText();
  }

  private long eventMs(JsonParser parser, JsonToken token) throws IOException {
    long eventMs = -1;
    if (token == JsonToken.VALUE_NUMBER_INT && parser.getNumberType() != JsonParser.NumberType.BIG_INTEGER) {
      eventMs = parser.getLongValue();
    }
    if (eventMs < 0 || eventMs >= DailyIndex.END_MS) {
      throw new Fault("mistyped-field", timestampField + " is not a time: allowed are whole milliseconds since 1970, up to the year 9999");
    }
    return eventMs;
  }

  private byte[] id(String id) {
    byte[] quoted;
    try {
      quoted = encoder.quoteAsUTF8(id);
    } catch (IllegalArgumentException e) {
      throw new Fault("mistyped-field", idField + " is not valid Unicode");
    }
    if (id.isEmpty() || (id.length() > MAX_ID_BYTES / 3 && utf8(id).length > MAX_ID_BYTES)) {
      throw new Fault("mistyped-field", idField + " has not 1 to " + MAX_ID_BYTES + " bytes");
    }
    return quoted;
  }

  private void checkAge(long eventMs) {
    if (maxAgeDays > 0) {
      long age = clock.millis() / DailyIndex.MS_PER_DAY - eventMs / DailyIndex.MS_PER_DAY;
      if (age > maxAgeDays) {
        throw new Fault("too-old", "its day is " + age + " days old, more than " + maxAgeDays);
      }
    }
  }

  /** By whole days, as the indices are dropped. Once true of a document it stays so: a replay decides the same. */
  private boolean isExpired(long eventMs) {
    long dayEndMs = (eventMs / DailyIndex.MS_PER_DAY + 1) * DailyIndex.MS_PER_DAY;
    return retentionDays > 0 && dayEndMs <= clock.millis() - retentionDays * DailyIndex.MS_PER_DAY;
  }

  private static byte[] action(String index, byte[] quotedId) {
    ByteArrayOutputStream line = new ByteArrayOutputStream(64 + index.length() + quotedId.length);
    line.writeBytes(ACTION_INDEX);
    line.writeBytes(utf8(index));
    line.writeBytes(ACTION_ID);
    line.writeBytes(quotedId);
    line.writeBytes(ACTION_END);
    return line.toByteArray();
  }

  /** Line ends divide a bulk request. In JSON that was parsed they can only stand between tokens, where a space means the same. */
  private static byte[] oneLine(byte[] value) {
    byte[] line = value;
    for (int i = 0; i < line.length; i++) {
      if (line[i] == '\n' || line[i] == '\r') {
        if (line == value) {
          line = value.clone();
        }
        line[i] = ' ';
      } else if (line[i] == 0) {
        throw new Fault("not-json", "the value is not UTF-8");
      }
    }
    return line;
  }

  private static byte[] utf8(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  /** What is looked for in a document. */
  private static final class Fields {
    private String id;
    private long eventMs = -1;
  }
}
