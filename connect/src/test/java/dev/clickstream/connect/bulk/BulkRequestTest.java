package dev.clickstream.connect.bulk;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.clickstream.connect.document.Document;
import java.util.List;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

class BulkRequestTest {
  private static Document document(String id, int size) {
    return new Document(null, id, new byte[0], "x".repeat(size - 2).getBytes());
  }

  private static String divided(int maxRecords, int maxBytes, Document... documents) {
    return BulkRequest.divide(List.of(documents), maxRecords, maxBytes).stream()
        .map(request -> request.documents().stream().map(Document::id).collect(Collectors.joining()))
        .collect(Collectors.joining(" "));
  }

  @Test
  void aRequestHasAtMostSoManyDocuments() {
    assertEquals("ab cd e", divided(2, 1000, document("a", 5), document("b", 5), document("c", 5), document("d", 5), document("e", 5)));
  }

  @Test
  void aRequestHasAtMostSoManyBytes() {
    assertEquals("ab c", divided(9, 10, document("a", 5), document("b", 5), document("c", 5)));
  }

  @Test
  void aDocumentLargerThanARequestGoesAlone() {
    assertEquals("a b c", divided(9, 10, document("a", 5), document("b", 50), document("c", 5)));
  }

  @Test
  void noDocumentsAreNoRequest() {
    assertEquals("", divided(9, 10));
  }

  @Test
  void theBodyIsALineEach() {
    Document document = new Document(null, "a", "{\"index\":{}}".getBytes(), "{\"x\":1}".getBytes());
    assertEquals("{\"index\":{}}\n{\"x\":1}\n", new String(new BulkRequest(List.of(document)).body()));
  }
}
