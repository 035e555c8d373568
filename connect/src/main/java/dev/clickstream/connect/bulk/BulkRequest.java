package dev.clickstream.connect.bulk;

import dev.clickstream.connect.document.Document;
import java.util.ArrayList;
import java.util.List;

/**
 * Documents that go to the engine together, in order, at least one.
 *
 * @param documents in the order they are indexed in
 */
record BulkRequest(List<Document> documents) {
  /** Divides documents into requests: each ends with the document that makes it full. */
  static List<BulkRequest> divide(List<Document> documents, int maxRecords, int maxBytes) {
    List<BulkRequest> requests = new ArrayList<>();
    int from = 0;
    long bytes = 0;
    for (int i = 0; i < documents.size(); i++) {
      int size = documents.get(i).size();
      if (i > from && (i - from >= maxRecords || bytes + size > maxBytes)) {
        requests.add(new BulkRequest(documents.subList(from, i)));
        from = i;
        bytes = 0;
      }
      bytes += size;
    }
    if (from < documents.size()) {
      requests.add(new BulkRequest(documents.subList(from, documents.size())));
    }
    return requests;
  }

  /** Returns the two halves of a request of two documents or more. */
  List<BulkRequest> halves() {
    int middle = documents.size() / 2;
    return List.of(new BulkRequest(documents.subList(0, middle)), new BulkRequest(documents.subList(middle, documents.size())));
  }

  /** Returns the request's body: newline-delimited JSON. */
  byte[] body() {
    byte[] body = new byte[documents.stream().mapToInt(Document::size).sum()];
    int at = 0;
    for (Document document : documents) {
      at = line(body, at, document.action());
      at = line(body, at, document.source());
    }
    return body;
  }

  private static int line(byte[] body, int at, byte[] text) {
    System.arraycopy(text, 0, body, at, text.length);
    body[at + text.length] = '\n';
    return at + text.length + 1;
  }
}
