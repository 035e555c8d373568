package dev.clickstream.connect.bulk;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import dev.clickstream.connect.document.Fault;
import java.io.IOException;
import java.util.Optional;
import java.util.Set;

/**
 * The engine's word on a document or on a whole request.
 *
 * @param status as an HTTP status
 * @param type the engine's name of the error, empty if there is none
 * @param reason its text, empty if there is none
 */
record EngineError(int status, String type, String reason) {
  /**
   * Errors with status 400 that tell of the cluster and not of the document: a limit of shards reached, an index
   * closed, two writers that make an index at the same time, a template that names a bad index.
   */
  private static final Set<String> NOT_THE_DOCUMENT = Set.of(
      "validation_exception", "index_closed_exception", "resource_already_exists_exception", "invalid_index_name_exception",
      "invalid_index_template_exception", "index_template_missing_exception", "invalid_alias_name_exception");

  private static final JsonFactory JSON = new JsonFactory();

  boolean isIndexed() {
    return status >= 200 && status < 300;
  }

  /** Whether the document is at fault, at every attempt: everything else is waited out. */
  boolean isDocumentsFault() {
    return status == 413 || (status == 400 && !type.isEmpty() && !NOT_THE_DOCUMENT.contains(type));
  }

  Fault toFault() {
    return status == 413
        ? new Fault("oversized", "the engine takes no document of this size (status 413)")
        : new Fault("rejected", type + ": " + reason);
  }

  /** Reads the engine's error from the body of an answer that is not a 2xx; a proxy's page gives an empty type. */
  static EngineError ofAnswer(int status, byte[] body) {
    try (JsonParser parser = JSON.createParser(body)) {
      if (parser.nextToken() == JsonToken.START_OBJECT) {
        EngineError read = read(parser);
        return new EngineError(status, read.type, read.reason);
      }
    } catch (IOException e) {
      // Not JSON: not the engine's own answer.
    }
    return new EngineError(status, "", "");
  }

  /** Reads {@code {"status":, "error": {"type":, "reason":}}}; the parser stands on the brace that opens it and ends on the one that closes it. */
  static EngineError read(JsonParser parser) throws IOException {
    int status = 0;
    Optional<EngineError> error = Optional.empty();
    for (String name = parser.nextFieldName(); name != null; name = parser.nextFieldName()) {
      JsonToken value = parser.nextToken();
      if (name.equals("status") && value == JsonToken.VALUE_NUMBER_INT) {
        status = parser.getIntValue();
      } else if (name.equals("error") && value == JsonToken.START_OBJECT) {
        error = Optional.of(readError(parser));
      } else {
        parser.skipChildren();
      }
    }
    return new EngineError(status, error.map(EngineError::type).orElse(""), error.map(EngineError::reason).orElse(""));
  }

  private static EngineError readError(JsonParser parser) throws IOException {
    String type = "";
    String reason = "";
    for (String name = parser.nextFieldName(); name != null; name = parser.nextFieldName()) {
      JsonToken value = parser.nextToken();
      if (name.equals("type") && value == JsonToken.VALUE_STRING) {
        type = parser.getText();
      } else if (name.equals("reason") && value == JsonToken.VALUE_STRING) {
        reason = parser.getText();
      } else if (name.equals("caused_by") && value == JsonToken.START_OBJECT) {
        reason += " (" + readError(parser).reason + ")";
      } else {
        parser.skipChildren();
      }
    }
    return new EngineError(0, type, reason);
  }
}
