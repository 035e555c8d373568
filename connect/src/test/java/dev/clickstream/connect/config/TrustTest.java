package dev.clickstream.connect.config;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.clickstream.connect.FakeEngine;
import dev.clickstream.connect.TaskUnderTest;
import java.nio.file.Files;
import java.nio.file.Path;
import org.apache.kafka.connect.errors.RetriableException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TrustTest {
  /** Delivers one document to an engine whose certificate is for the host name; the sink connects to localhost. */
  private static void deliver(Certificates certificates, String... options) throws Exception {
    try (FakeEngine engine = new FakeEngine(certificates.server()); TaskUnderTest connect = new TaskUnderTest(engine.url(), options)) {
      connect.task.put(connect.records("a"));
      assertEquals(1, engine.documents.size());
    }
  }

  private static void assertRefused(Certificates certificates, String... options) {
    RetriableException error = assertThrows(RetriableException.class, () -> deliver(certificates, options));
    assertTrue(error.getMessage().contains("SSLHandshakeException"), error.getMessage());
  }

  @Test
  void anAuthorityGivenAsTextIsTrusted() throws Exception {
    Certificates certificates = Certificates.make("localhost");
    deliver(certificates, "tls.ca.pem", certificates.pem());
  }

  @Test
  void anAuthorityGivenAsAFileIsTrusted(@TempDir Path folder) throws Exception {
    Certificates certificates = Certificates.make("localhost");
    Path file = Files.writeString(folder.resolve("ca.crt"), certificates.pem());
    deliver(certificates, "tls.ca.path", file.toString());
  }

  @Test
  void anUnknownAuthorityIsWaitedOut() throws Exception {
    assertRefused(Certificates.make("localhost"));
    assertRefused(Certificates.make("localhost"), "tls.ca.pem", Certificates.make("localhost").pem());
  }

  @Test
  void anotherHostsCertificateIsRefusedUnlessTheHostNameIsNotVerified() throws Exception {
    Certificates certificates = Certificates.make("elsewhere");
    assertRefused(certificates, "tls.ca.pem", certificates.pem());
    deliver(certificates, "tls.ca.pem", certificates.pem(), "tls.verify.hostname", "false");
  }

  @Test
  void withoutHostNameVerificationTheAuthorityStillCounts() throws Exception {
    assertRefused(Certificates.make("elsewhere"), "tls.verify.hostname", "false");
  }
}
