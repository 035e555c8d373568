package dev.clickstream.connect.bulk;

import dev.clickstream.connect.document.Document;
import dev.clickstream.connect.metrics.SinkMetrics;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.apache.kafka.connect.errors.ConnectException;

/**
 * Brings documents into the engine, several requests at a time.
 *
 * <p>The documents are dealt out to lanes by their ids, and a lane sends one request after the other: what has the same
 * id stays in order. There are only as many lanes as there are requests to fill.
 */
public final class BulkWriter implements AutoCloseable {
  private final BulkClient client;
  private final int maxRecords;
  private final int maxBytes;
  private final int maxLanes;
  private final SinkMetrics metrics;
  private final ExecutorService threads;

  public BulkWriter(BulkClient client, int maxRecords, int maxBytes, int maxInFlight, SinkMetrics metrics) {
    this.client = client;
    this.maxRecords = maxRecords;
    this.maxBytes = maxBytes;
    this.maxLanes = maxInFlight;
    this.metrics = metrics;
    this.threads = Executors.newFixedThreadPool(maxInFlight, work -> {
      Thread thread = new Thread(work, Thread.currentThread().getName() + "-bulk");
      thread.setDaemon(true);
      return thread;
    });
  }

  /**
   * Sends all documents and notes in {@code settled} what became of each.
   *
   * @throws Unavailable if some could not be settled; the others are
   */
  public void write(List<Document> documents, Settled settled) throws Unavailable, InterruptedException {
    List<Future<Void>> lanes = new ArrayList<>();
    for (List<Document> lane : deal(documents)) {
      lanes.add(threads.submit(() -> {
        for (BulkRequest request : BulkRequest.divide(lane, maxRecords, maxBytes)) {
          send(request, settled);
        }
        return null;
      }));
    }
    Unavailable unavailable = null;
    for (Future<Void> lane : lanes) {
      try {
        lane.get();
      } catch (ExecutionException e) {
        unavailable = longer(unavailable, unavailable(e.getCause()));
      }
    }
    if (unavailable != null) {
      throw unavailable;
    }
  }

  @Override
  public void close() {
    threads.shutdownNow();
  }

  private List<List<Document>> deal(List<Document> documents) {
    long bytes = documents.stream().mapToLong(Document::size).sum();
    long requests = Math.max((documents.size() + maxRecords - 1) / maxRecords, (bytes + maxBytes - 1) / maxBytes);
    int count = (int) Math.min(maxLanes, requests);
    if (count <= 1) {
      return documents.isEmpty() ? List.of() : List.of(documents);
    }
    List<List<Document>> lanes = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      lanes.add(new ArrayList<>());
    }
    documents.forEach(document -> lanes.get(Math.floorMod(document.id().hashCode(), count)).add(document));
    lanes.removeIf(List::isEmpty);
    return lanes;
  }

  /** Sends one request; if it is refused as a whole, halves it until the document at fault stands alone. */
  private void send(BulkRequest request, Settled settled) throws Unavailable, InterruptedException {
    BulkClient.Answer answer = client.send(request);
    List<Document> documents = request.documents();
    if (answer.refusal() == null) {
      settle(documents, answer.response().items(), settled);
    } else if (documents.size() == 1) {
      settled.bad(documents.get(0).record(), answer.refusal().toFault());
    } else {
      for (BulkRequest half : request.halves()) {
        send(half, settled);
      }
    }
  }

  private void settle(List<Document> documents, List<EngineError> items, Settled settled) throws Unavailable {
    EngineError waiting = null;
    int indexed = 0;
    for (int i = 0; i < documents.size(); i++) {
      EngineError item = items.isEmpty() ? null : items.get(i);
      if (item == null || item.isIndexed()) {
        settled.indexed(documents.get(i).record());
        indexed++;
      } else if (item.isDocumentsFault()) {
        settled.bad(documents.get(i).record(), item.toFault());
      } else {
        waiting = item;
      }
    }
    metrics.indexed(indexed);
    if (waiting != null) {
      throw new Unavailable("a document was not taken: status " + waiting.status() + " " + waiting.type() + " " + waiting.reason());
    }
  }

  private static Unavailable longer(Unavailable one, Unavailable other) {
    return one == null || other.retryAfter().compareTo(one.retryAfter()) > 0 ? other : one;
  }

  private static Unavailable unavailable(Throwable cause) throws InterruptedException {
    if (cause instanceof Unavailable unavailable) {
      return unavailable;
    }
    if (cause instanceof InterruptedException) {
      throw new InterruptedException("the task is stopped");
    }
    throw new ConnectException("a bulk request failed in an unforeseen way", cause);
  }
}
