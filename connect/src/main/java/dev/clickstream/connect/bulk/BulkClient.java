package dev.clickstream.connect.bulk;

import dev.clickstream.connect.config.SearchSinkConfig;
import dev.clickstream.connect.config.Trust;
import dev.clickstream.connect.metrics.SinkMetrics;
import java.io.IOException;
import java.net.ConnectException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpTimeoutException;
import java.security.GeneralSecurityException;
import java.time.Duration;
import java.time.Instant;
import java.util.Optional;
import javax.net.ssl.SSLException;

/** Sends bulk requests over HTTP/1.1. Safe for several threads. */
public final class BulkClient {
  private static final String PATH = "/_bulk?filter_path=" + BulkResponse.FILTER_PATH;

  private final HttpClient http;
  private final Endpoints endpoints;
  private final Optional<String> authorization;
  private final Duration timeout;
  private final SinkMetrics metrics;

  /** @throws org.apache.kafka.connect.errors.ConnectException if the certificates to trust cannot be used */
  public BulkClient(SearchSinkConfig config, Endpoints endpoints, SinkMetrics metrics) {
    this.endpoints = endpoints;
    this.authorization = config.authorization();
    this.timeout = config.requestTimeout();
    this.metrics = metrics;
    HttpClient.Builder builder = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).connectTimeout(config.connectTimeout());
    try {
      builder.sslContext(Trust.context(
          config.getString(SearchSinkConfig.TLS_CA_PATH),
          config.getString(SearchSinkConfig.TLS_CA_PEM),
          config.getBoolean(SearchSinkConfig.TLS_VERIFY_HOSTNAME)));
    } catch (IOException | GeneralSecurityException e) {
      throw new org.apache.kafka.connect.errors.ConnectException("cannot use the certificates of tls.ca.path and tls.ca.pem", e);
    }
    this.http = builder.build();
  }

  /**
   * Sends one request and returns the engine's word on each document, or on the request when it is refused for one of
   * its documents.
   *
   * @throws Unavailable if there was no answer, or one that says nothing about the documents
   */
  Answer send(BulkRequest request) throws Unavailable, InterruptedException {
    URI url = endpoints.current();
    long start = System.nanoTime();
    HttpResponse<byte[]> response;
    try {
      response = exchange(url, request.body());
    } catch (IOException e) {
      endpoints.failed(url);
      throw new Unavailable("no answer from " + url + ": " + describe(e));
    } finally {
      metrics.request(System.nanoTime() - start);
    }
    int status = response.statusCode();
    if (status == 200) {
      try {
        return new Answer(BulkResponse.parse(response.body(), request.documents().size()), null);
      } catch (IOException e) {
        throw new Unavailable(url + " gave an answer that is not understood: " + e.getMessage());
      }
    }
    EngineError error = EngineError.ofAnswer(status, response.body());
    if (error.isDocumentsFault()) {
      return new Answer(null, error);
    }
    if (status >= 500) {
      endpoints.failed(url);
    }
    String type = error.type().isEmpty() ? "" : " (" + error.type() + ")";
    throw new Unavailable(url + " answers with status " + status + type, RetryAfter.parse(response.headers().firstValue("Retry-After"), Instant.now()));
  }

  /** A pooled connection may have been closed by the other side: one more try at once. Sending twice does no harm. */
  private HttpResponse<byte[]> exchange(URI url, byte[] body) throws IOException, InterruptedException {
    HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(url + PATH))
        .timeout(timeout)
        .header("Content-Type", "application/x-ndjson")
        .POST(HttpRequest.BodyPublishers.ofByteArray(body));
    authorization.ifPresent(value -> request.header("Authorization", value));
    try {
      return http.send(request.build(), HttpResponse.BodyHandlers.ofByteArray());
    } catch (ConnectException | HttpTimeoutException | SSLException e) {
      throw e;
    } catch (IOException e) {
      return http.send(request.build(), HttpResponse.BodyHandlers.ofByteArray());
    }
  }

  private static String describe(IOException e) {
    String message = e.getMessage();
    return e.getClass().getSimpleName() + (message == null ? "" : " (" + message + ")");
  }

  /**
   * One of the two is null.
   *
   * @param response the word on each document
   * @param refusal why the request was refused as a whole, on account of one document or of its size
   */
  record Answer(BulkResponse response, EngineError refusal) {}
}
