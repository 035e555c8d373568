package dev.clickstream.connect;

import static dev.clickstream.connect.TaskUnderTest.DAY;
import static dev.clickstream.connect.TaskUnderTest.NOON;
import static dev.clickstream.connect.TaskUnderTest.json;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.ServerSocket;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.connect.errors.ConnectException;
import org.apache.kafka.connect.errors.RetriableException;
import org.apache.kafka.connect.sink.SinkRecord;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(60)
class SearchSinkTaskTest {
  private static final String REJECTED = "{\"status\":400,\"error\":{\"type\":\"mapper_parsing_exception\",\"reason\":\"failed to parse\"}}";
  private static final String ENGINE_400 = "{\"error\":{\"type\":\"action_request_validation_exception\",\"reason\":\"id is too long\"},\"status\":400}";

  private FakeEngine engine;
  private TaskUnderTest connect;

  @BeforeEach
  void start() throws IOException {
    engine = new FakeEngine();
    connect = new TaskUnderTest(engine.url(), "batch.max.records", "8", "max.in.flight.requests", "1");
  }

  @AfterEach
  void stop() {
    connect.close();
    engine.close();
  }

  @Test
  void documentsLandUnderTheirIdOnTheDayOfTheirEventTime() {
    connect.deliver(List.of(connect.record(json("a-0-1", NOON)), connect.record(json("a-0-2", NOON - 86_400_000L))));

    assertEquals(Set.of(DAY + "/a-0-1", "clicks-2023.07.21/a-0-2"), engine.documents.keySet());
    assertEquals(new String(json("a-0-1", NOON)), engine.documents.get(DAY + "/a-0-1"));
    assertEquals(1, engine.requests.size());
    assertTrue(engine.paths.get(0).startsWith("/_bulk?"), engine.paths.get(0));
  }

  @Test
  void aPathInTheUrlIsAPrefix() {
    try (TaskUnderTest behindProxy = new TaskUnderTest(engine.url() + "/search/")) {
      behindProxy.deliver(behindProxy.records("a"));
    }
    assertTrue(engine.paths.get(0).startsWith("/search/_bulk?"), engine.paths.get(0));
  }

  @Test
  void aReplayMakesNoDuplicate() {
    List<SinkRecord> records = connect.records("a", "b", "c");
    connect.deliver(records);
    connect.deliver(records);
    assertEquals(3, engine.documents.size());
  }

  @Test
  void aBadRecordIsDeadLetteredAndTheOthersAreIndexed() {
    List<SinkRecord> records = List.of(connect.record(json("a", NOON)), connect.record("{broken"), connect.record(json("b", NOON)));
    connect.deliver(records);

    assertEquals(Set.of(DAY + "/a", DAY + "/b"), engine.documents.keySet());
    assertEquals(Set.of(records.get(1)), connect.deadLetters.keySet());
    assertTrue(connect.deadLetters.get(records.get(1)).startsWith("not-json: "));
    assertTrue(connect.waits.isEmpty());
  }

  @Test
  void aDocumentTheEngineRejectsIsDeadLetteredWithItsReason() {
    engine.item = item -> item.id().equals("b") ? REJECTED : null;
    List<SinkRecord> records = connect.records("a", "b", "c");
    connect.deliver(records);

    assertEquals(Set.of(DAY + "/a", DAY + "/c"), engine.documents.keySet());
    assertEquals("rejected: mapper_parsing_exception: failed to parse", connect.deadLetters.get(records.get(1)));
    assertTrue(connect.waits.isEmpty());
  }

  @ParameterizedTest
  @ValueSource(ints = {400, 413})
  void aRequestRefusedForOneDocumentIsHalvedUntilThatStandsAlone(int status) {
    engine.answer = items -> items.stream().anyMatch(item -> item.id().equals("5")) ? new FakeEngine.Reply(status, ENGINE_400) : null;
    List<SinkRecord> records = connect.records("0", "1", "2", "3", "4", "5", "6", "7");
    connect.deliver(records);

    assertEquals(7, engine.documents.size());
    assertEquals(Set.of(records.get(5)), connect.deadLetters.keySet());
    assertTrue(connect.deadLetters.get(records.get(5)).startsWith(status == 413 ? "oversized: " : "rejected: action_request_validation_exception: id is too long"));
    assertEquals(7, engine.requests.size()); // 8, 4, 4, 2, 1, 1, 2
  }

  @ParameterizedTest
  @ValueSource(ints = {301, 401, 403, 404, 408, 429, 500, 502, 503, 504})
  void anAnswerThatIsNotTheDocumentsFaultIsWaitedOut(int status) {
    AtomicInteger left = new AtomicInteger(3);
    engine.answer = items -> left.getAndDecrement() > 0 ? new FakeEngine.Reply(status, "{\"error\":{\"type\":\"some_exception\"}}") : null;
    connect.deliver(connect.records("a", "b"));

    assertEquals(2, engine.documents.size());
    assertTrue(connect.deadLetters.isEmpty());
    assertEquals(3, connect.metric("retries-total"));
  }

  @ParameterizedTest
  @ValueSource(strings = {
      "{\"status\":429,\"error\":{\"type\":\"rejected_execution_exception\"}}",
      "{\"status\":403,\"error\":{\"type\":\"cluster_block_exception\"}}",
      "{\"status\":404,\"error\":{\"type\":\"index_not_found_exception\"}}",
      "{\"status\":503,\"error\":{\"type\":\"unavailable_shards_exception\"}}",
      "{\"status\":400,\"error\":{\"type\":\"validation_exception\",\"reason\":\"maximum shards open\"}}",
      "{\"status\":400,\"error\":{\"type\":\"index_closed_exception\"}}",
      "{\"status\":400}"})
  void aDocumentThatIsNotAtFaultIsWaitedFor(String error) {
    AtomicInteger left = new AtomicInteger(2);
    engine.item = item -> item.id().equals("b") && left.getAndDecrement() > 0 ? error : null;
    connect.deliver(connect.records("a", "b"));

    assertEquals(2, engine.documents.size());
    assertTrue(connect.deadLetters.isEmpty());
  }

  @Test
  void onlyWhatWasNotTakenIsSentAgain() {
    AtomicInteger left = new AtomicInteger(1);
    engine.item = item -> item.id().equals("b") && left.getAndDecrement() > 0 ? "{\"status\":429,\"error\":{}}" : null;
    connect.deliver(connect.records("a", "b", "c"));

    assertEquals(List.of("b"), engine.requests.get(1).stream().map(FakeEngine.Item::id).toList());
    assertEquals(3, connect.metric("documents-indexed-total"));
  }

  @ParameterizedTest
  @ValueSource(ints = {200, 400})
  void aProxysPageIsWaitedOut(int status) {
    AtomicInteger left = new AtomicInteger(2);
    engine.answer = items -> left.getAndDecrement() > 0 ? new FakeEngine.Reply(status, "<html>plain HTTP sent to HTTPS port</html>") : null;
    connect.deliver(connect.records("a", "b"));

    assertEquals(2, engine.documents.size());
    assertTrue(connect.deadLetters.isEmpty());
    assertEquals(3, engine.requests.size()); // never halved
  }

  @Test
  void anAnswerThatTellsOfFewerDocumentsIsNotBelieved() {
    AtomicInteger left = new AtomicInteger(1);
    engine.answer = items -> left.getAndDecrement() > 0 ? new FakeEngine.Reply(200, "{\"errors\":true,\"items\":[" + "{\"index\":{\"status\":201}}]}") : null;
    connect.deliver(connect.records("a", "b"));
    assertEquals(2, engine.documents.size());
  }

  @Test
  void badRecordsAreReportedOnlyOnceTheOthersAreIndexed() {
    AtomicInteger left = new AtomicInteger(3);
    engine.answer = items -> left.getAndDecrement() > 0 ? new FakeEngine.Reply(503, "") : null;
    List<SinkRecord> records = new ArrayList<>(connect.records("a"));
    records.add(connect.record("{broken"));

    assertThrows(RetriableException.class, () -> connect.task.put(records));
    assertTrue(connect.deadLetters.isEmpty());
    connect.deliver(records);
    assertEquals(1, connect.deadLetters.size());
  }

  @Test
  void retryAfterIsHonouredAndAnEarlierDeliverySendsNothing() {
    engine.answer = items -> new FakeEngine.Reply(429, "", "Retry-After", "7");
    List<SinkRecord> records = connect.records("a");

    assertThrows(RetriableException.class, () -> connect.task.put(records));
    assertEquals(7_000L, connect.waits.get(0));
    assertThrows(RetriableException.class, () -> connect.task.put(records));
    assertEquals(1, engine.requests.size());
    assertTrue(connect.waits.get(1) > 6_000 && connect.waits.get(1) <= 7_000, connect.waits::toString);
  }

  @Test
  void anEngineThatIsAwayIsWaitedFor() throws IOException {
    int port;
    try (ServerSocket free = new ServerSocket(0)) {
      port = free.getLocalPort();
    }
    try (TaskUnderTest alone = new TaskUnderTest("http://localhost:" + port)) {
      RetriableException error = assertThrows(RetriableException.class, () -> alone.task.put(alone.records("a")));
      assertTrue(error.getMessage().startsWith("no answer from http://localhost:" + port + ": ConnectException"), error.getMessage());
      assertTrue(alone.metric("blocked-seconds") >= 0);
    }
  }

  @Test
  void anEngineThatDoesNotAnswerInTimeIsWaitedFor() {
    engine.delayMs = 400;
    try (TaskUnderTest hasty = new TaskUnderTest(engine.url(), "request.timeout.ms", "100")) {
      RetriableException error = assertThrows(RetriableException.class, () -> hasty.task.put(hasty.records("a")));
      assertTrue(error.getMessage().contains("HttpTimeoutException"), error.getMessage());
    }
  }

  @Test
  void theNextAddressIsUsedWhenOneFails() throws IOException {
    int port;
    try (ServerSocket free = new ServerSocket(0)) {
      port = free.getLocalPort();
    }
    try (TaskUnderTest both = new TaskUnderTest("http://localhost:" + port + "," + engine.url())) {
      both.deliver(both.records("a", "b"));
      both.deliver(both.records("c"));
      assertEquals(3, engine.documents.size());
      assertTrue(both.metric("retries-total") <= 1); // stays with the one that works
    }
  }

  @Test
  void userAndPasswordAreSentAndNeverTold() {
    engine.answer = items -> new FakeEngine.Reply(401, "{\"error\":{\"type\":\"security_exception\",\"reason\":\"open-sesame\"}}");
    try (TaskUnderTest user = new TaskUnderTest(engine.url(), "username", "ali", "password", "open-sesame")) {
      RetriableException error = assertThrows(RetriableException.class, () -> user.task.put(user.records("a")));
      assertFalse(error.getMessage().contains("open-sesame"), error.getMessage());
    }
    assertEquals("Basic YWxpOm9wZW4tc2VzYW1l", engine.authorizations.get(0));
  }

  @Test
  void nothingIsSentWithoutAUser() {
    connect.deliver(connect.records("a"));
    assertEquals("null", engine.authorizations.get(0));
  }

  @Test
  void tombstonesAreIgnoredAndCounted() {
    connect.deliver(List.of(connect.record(null), connect.record(json("a", NOON))));
    assertEquals(1, engine.documents.size());
    assertTrue(connect.deadLetters.isEmpty());
    assertEquals(1, connect.metric("tombstones-ignored-total"));
  }

  @Test
  void aDocumentPastTheRetentionIsCountedAndNeitherSentNorDeadLettered() {
    long today = System.currentTimeMillis();
    try (TaskUnderTest keeping = new TaskUnderTest(engine.url(), "index.retention.days", "30")) {
      List<SinkRecord> records = List.of(keeping.record(json("old", NOON)), keeping.record(json("new", today)), keeping.record(json("older", 0)));
      AtomicInteger left = new AtomicInteger(1);
      engine.answer = items -> left.getAndDecrement() > 0 ? new FakeEngine.Reply(503, "") : null;
      keeping.deliver(records); // twice: each is counted once

      assertEquals(1, engine.documents.size());
      assertTrue(engine.documents.keySet().iterator().next().endsWith("/new"), engine.documents::toString);
      assertTrue(keeping.deadLetters.isEmpty());
      assertEquals(2, keeping.metric("documents-expired-total"));
      assertEquals(1, keeping.metric("documents-indexed-total"));
    }
  }

  @Test
  void offsetsOfABatchThatARebalanceDroppedAreNotCommitted() {
    List<TopicPartition> partitions = List.of(new TopicPartition("enriched-clicks", 3));
    connect.task.open(partitions);
    connect.deliver(connect.records("a", "b"));
    engine.answer = items -> new FakeEngine.Reply(503, "");
    assertThrows(RetriableException.class, () -> connect.task.put(connect.records("c")));
    connect.task.put(List.of()); // the next poll, after the rebalance

    Map<TopicPartition, OffsetAndMetadata> polled = Map.of(partitions.get(0), new OffsetAndMetadata(3));
    assertEquals(Map.of(partitions.get(0), new OffsetAndMetadata(2)), connect.task.preCommit(polled));
    connect.task.close(partitions);
    connect.task.open(partitions);
    assertEquals(Map.of(), connect.task.preCommit(polled));
  }

  @Test
  void withoutADeadLetterQueueABadRecordFailsTheTaskAndNamesIt() {
    connect.deadLetterQueue = false;
    ConnectException error = assertThrows(ConnectException.class, () -> connect.task.put(List.of(connect.record("{"))));
    assertTrue(error.getMessage().contains("enriched-clicks-3 at offset 0"), error.getMessage());
    assertTrue(error.getMessage().contains("errors.tolerance=all"), error.getMessage());
  }

  @Test
  void aConverterThatMakesStructuresFailsTheTaskInsteadOfDeadLetteringAll() {
    ConnectException error = assertThrows(ConnectException.class, () -> connect.task.put(List.of(connect.record(java.util.Map.of("a", 1)))));
    assertTrue(error.getMessage().contains("ByteArrayConverter"), error.getMessage());
    assertFalse(error instanceof RetriableException);
    assertTrue(connect.deadLetters.isEmpty());
  }

  @Test
  void severalRequestsAreOnTheWayAtOnceAndOneIdStaysInOrder() {
    engine.delayMs = 100; // long enough for all lanes to be on the way
    try (TaskUnderTest wide = new TaskUnderTest(engine.url(), "batch.max.records", "10", "max.in.flight.requests", "4")) {
      List<SinkRecord> records = IntStream.range(0, 210).mapToObj(i -> wide.record(
          "{\"event_id\":\"" + i % 21 + "\",\"timestamp\":" + NOON + ",\"n\":" + i + "}")).collect(Collectors.toList());
      wide.deliver(records);
      assertEquals(4, engine.mostAtOnce.get());
      for (int id = 0; id < 21; id++) {
        assertTrue(engine.documents.get(DAY + "/" + id).contains("\"n\":" + (189 + id)));
      }
      assertEquals(210, wide.metric("documents-indexed-total"));
    }
  }

  @Test
  void aSmallDeliveryIsOneRequest() {
    try (TaskUnderTest wide = new TaskUnderTest(engine.url(), "max.in.flight.requests", "4")) {
      wide.deliver(wide.records("a", "b", "c", "d", "e"));
    }
    assertEquals(1, engine.requests.size());
  }

  @Test
  void metricsCountWhatWasDone() {
    connect.deliver(List.of(connect.record(json("a", NOON)), connect.record("{"), connect.record(json("b", NOON))));
    assertEquals(2, connect.metric("documents-indexed-total"));
    assertEquals(1, connect.metric("documents-dead-lettered-total"));
    assertEquals(1, connect.metric("bulk-requests-total"));
    assertEquals(0, connect.metric("blocked-seconds"));
    assertTrue(connect.metric("bulk-request-latency-max-ms") > 0);
  }

  @Test
  void anEmptyDeliverySendsNothing() {
    connect.task.put(List.of());
    assertTrue(engine.requests.isEmpty());
    assertNull(connect.deadLetters.get(null));
  }
}
