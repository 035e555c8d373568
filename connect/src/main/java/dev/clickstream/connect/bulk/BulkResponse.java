package dev.clickstream.connect.bulk;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/**
 * What the engine said about each document of a bulk request.
 *
 * @param items one per document, in order; empty if all were indexed
 */
record BulkResponse(List<EngineError> items) {
  /** What must be asked for, and all that is read. */
  static final String FILTER_PATH = "errors,items.*.status,items.*.error.type,items.*.error.reason,items.*.error.caused_by.reason";

  private static final JsonFactory JSON = new JsonFactory();

  /**
   * Reads the body of a 200.
   *
   * @throws IOException if it is not the answer to a bulk request of that many documents
   */
  static BulkResponse parse(byte[] body, int documents) throws IOException {
    try (JsonParser parser = JSON.createParser(body)) {
      expect(parser.nextToken(), JsonToken.START_OBJECT);
      boolean answered = false;
      List<EngineError> items = new ArrayList<>();
      for (String name = parser.nextFieldName(); name != null; name = parser.nextFieldName()) {
        JsonToken value = parser.nextToken();
        if (name.equals("errors")) {
          answered = true;
          if (value == JsonToken.VALUE_FALSE) {
            return new BulkResponse(List.of());
          }
        } else if (name.equals("items")) {
          items = items(parser);
        } else {
          parser.skipChildren();
        }
      }
      if (!answered || items.size() != documents) {
        throw new IOException("it tells of " + items.size() + " documents instead of " + documents);
      }
      return new BulkResponse(items);
    }
  }

  private static List<EngineError> items(JsonParser parser) throws IOException {
    expect(parser.currentToken(), JsonToken.START_ARRAY);
    List<EngineError> items = new ArrayList<>();
    while (parser.nextToken() == JsonToken.START_OBJECT) {
      parser.nextFieldName(); // the operation: index
      expect(parser.nextToken(), JsonToken.START_OBJECT);
      items.add(EngineError.read(parser));
      expect(parser.nextToken(), JsonToken.END_OBJECT);
    }
    return items;
  }

  private static void expect(JsonToken found, JsonToken wanted) throws IOException {
    if (found != wanted) {
      throw new IOException("it is not the JSON of a bulk response");
    }
  }
}
