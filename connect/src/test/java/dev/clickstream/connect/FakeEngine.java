package dev.clickstream.connect;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.net.ssl.SSLContext;

/**
 * A local HTTP server that keeps bulk requests as a search engine does: a map from index and id to the document.
 *
 * <p>What it answers can be changed: {@link #answer} for whole requests, {@link #item} for single documents.
 */
public final class FakeEngine implements AutoCloseable {
  private static final Pattern ACTION = Pattern.compile("\\{\"index\":\\{\"_index\":\"([^\"]*)\",\"_id\":\"((?:[^\"\\\\]|\\\\.)*)\"}}");

  /** @param headers name and value in turn */
  record Reply(int status, String body, String... headers) {}

  /** One document of a request. */
  record Item(String index, String id, String source) {}

  private final HttpServer server;
  private final ExecutorService threads = Executors.newCachedThreadPool();
  public final Map<String, String> documents = new ConcurrentHashMap<>();
  final List<List<Item>> requests = new CopyOnWriteArrayList<>();
  final List<String> paths = new CopyOnWriteArrayList<>();
  final List<String> authorizations = new CopyOnWriteArrayList<>();
  final AtomicInteger mostAtOnce = new AtomicInteger();
  private final AtomicInteger atOnce = new AtomicInteger();
  /** Gives the reply to a request, or null for a bulk response. */
  volatile Function<List<Item>, Reply> answer = items -> null;
  /** Gives the error of a document as the engine's JSON of the item, or null if it is indexed. */
  volatile Function<Item, String> item = item -> null;
  volatile long delayMs;

  FakeEngine() throws IOException {
    this(null);
  }

  public FakeEngine(SSLContext tls) throws IOException {
    InetSocketAddress any = new InetSocketAddress(InetAddress.getLoopbackAddress(), 0);
    if (tls == null) {
      server = HttpServer.create(any, 0);
    } else {
      HttpsServer https = HttpsServer.create(any, 0);
      https.setHttpsConfigurator(new HttpsConfigurator(tls));
      server = https;
    }
    server.createContext("/", this::handle);
    server.setExecutor(threads);
    server.start();
  }

  public String url() {
    return (server instanceof HttpsServer ? "https" : "http") + "://localhost:" + server.getAddress().getPort();
  }

  @Override
  public void close() {
    server.stop(0);
    threads.shutdownNow();
  }

  private void handle(HttpExchange exchange) throws IOException {
    mostAtOnce.accumulateAndGet(atOnce.incrementAndGet(), Math::max);
    try (exchange) {
      List<Item> items = items(new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8));
      paths.add(exchange.getRequestURI().toString());
      authorizations.add(String.valueOf(exchange.getRequestHeaders().getFirst("Authorization")));
      requests.add(items);
      Thread.sleep(delayMs);
      Reply reply = answer.apply(items);
      if (reply == null) {
        reply = new Reply(200, index(items));
      }
      for (int i = 0; i < reply.headers.length; i += 2) {
        exchange.getResponseHeaders().add(reply.headers[i], reply.headers[i + 1]);
      }
      byte[] body = reply.body.getBytes(StandardCharsets.UTF_8);
      exchange.sendResponseHeaders(reply.status, body.length == 0 ? -1 : body.length);
      exchange.getResponseBody().write(body);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } finally {
      atOnce.decrementAndGet();
    }
  }

  private static List<Item> items(String body) {
    String[] lines = body.split("\n", -1);
    List<Item> items = new ArrayList<>();
    for (int i = 0; i + 1 < lines.length; i += 2) {
      Matcher action = ACTION.matcher(lines[i]);
      if (!action.matches()) {
        throw new IllegalStateException("not an action: " + lines[i]);
      }
      items.add(new Item(action.group(1), action.group(2), lines[i + 1]));
    }
    return items;
  }

  private String index(List<Item> items) {
    List<String> answers = new ArrayList<>();
    boolean errors = false;
    for (Item each : items) {
      String error = item.apply(each);
      if (error == null) {
        documents.put(each.index + "/" + each.id, each.source);
        answers.add("{\"index\":{\"status\":201}}");
      } else {
        errors = true;
        answers.add("{\"index\":" + error + "}");
      }
    }
    return "{\"errors\":" + errors + ",\"items\":[" + String.join(",", answers) + "]}";
  }
}
