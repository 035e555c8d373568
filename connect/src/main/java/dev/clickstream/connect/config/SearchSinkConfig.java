package dev.clickstream.connect.config;

import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import org.apache.kafka.common.config.AbstractConfig;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.common.config.ConfigDef.Importance;
import org.apache.kafka.common.config.ConfigDef.Range;
import org.apache.kafka.common.config.ConfigDef.Type;
import org.apache.kafka.common.config.ConfigDef.Width;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.common.config.ConfigValue;
import org.apache.kafka.common.config.types.Password;

/** Defines every option of the connector and checks their values; {@link #DEFINITION} makes the table in README.md. */
public final class SearchSinkConfig extends AbstractConfig {
  static final String URL = "url";
  static final String USERNAME = "username";
  static final String PASSWORD = "password";
  static final String API_KEY = "api.key";
  public static final String TLS_CA_PATH = "tls.ca.path";
  public static final String TLS_CA_PEM = "tls.ca.pem";
  public static final String TLS_VERIFY_HOSTNAME = "tls.verify.hostname";
  static final String CONNECT_TIMEOUT_MS = "connect.timeout.ms";
  static final String REQUEST_TIMEOUT_MS = "request.timeout.ms";
  public static final String INDEX = "index";
  public static final String ID_FIELD = "id.field";
  public static final String TIMESTAMP_FIELD = "timestamp.field";
  public static final String MAX_AGE_DAYS = "timestamp.max.age.days";
  public static final String RETENTION_DAYS = "index.retention.days";
  public static final String BATCH_MAX_RECORDS = "batch.max.records";
  public static final String BATCH_MAX_BYTES = "batch.max.bytes";
  public static final String MAX_IN_FLIGHT = "max.in.flight.requests";
  public static final String RETRY_BACKOFF_MS = "retry.backoff.ms";
  public static final String RETRY_BACKOFF_MAX_MS = "retry.backoff.max.ms";

  public static final ConfigDef DEFINITION = define();

  public SearchSinkConfig(Map<String, String> given) {
    super(DEFINITION, given, false); // false: Kafka would log every value
    List<ConfigValue> values = DEFINITION.validate(given);
    checkTogether(values);
    String errors = values.stream().flatMap(value -> value.errorMessages().stream()).collect(Collectors.joining("; "));
    if (!errors.isEmpty()) {
      throw new ConfigException(errors);
    }
  }

  /** Base addresses of the engine, at least one, without a slash at the end. */
  public List<URI> urls() {
    return getList(URL).stream().map(url -> URI.create(url.replaceAll("/+$", ""))).toList();
  }

  /** The Authorization header's value, if a user or an API key is given. Never log it. */
  public Optional<String> authorization() {
    String key = getPassword(API_KEY).value().strip();
    if (!key.isEmpty()) {
      return Optional.of("ApiKey " + key);
    }
    String user = getString(USERNAME);
    if (user.isEmpty()) {
      return Optional.empty();
    }
    byte[] pair = (user + ":" + getPassword(PASSWORD).value()).getBytes(StandardCharsets.UTF_8);
    return Optional.of("Basic " + Base64.getEncoder().encodeToString(pair));
  }

  public Duration connectTimeout() {
    return Duration.ofMillis(getLong(CONNECT_TIMEOUT_MS));
  }

  public Duration requestTimeout() {
    return Duration.ofMillis(getLong(REQUEST_TIMEOUT_MS));
  }

  /** Adds errors that concern several options to the values they are found at; values with errors of their own are left alone. */
  public static void checkTogether(List<ConfigValue> values) {
    Map<String, ConfigValue> all = values.stream().collect(Collectors.toMap(ConfigValue::name, value -> value));
    if (all.values().stream().anyMatch(value -> value.value() == null || !value.errorMessages().isEmpty())) {
      return;
    }
    boolean user = !((String) all.get(USERNAME).value()).isEmpty();
    boolean password = !((Password) all.get(PASSWORD).value()).value().isEmpty();
    if (user != password) {
      ConfigValue missing = all.get(user ? PASSWORD : USERNAME);
      missing.addErrorMessage("username and password go together: " + missing.name() + " is missing");
    }
    if (user && !((Password) all.get(API_KEY).value()).value().isEmpty()) {
      all.get(API_KEY).addErrorMessage("api.key and username do not go together: give one of them");
    }
    boolean https = ((List<?>) all.get(URL).value()).stream().anyMatch(url -> ((String) url).startsWith("https:"));
    for (String name : List.of(TLS_CA_PATH, TLS_CA_PEM)) {
      if (!https && !((String) all.get(name).value()).isEmpty()) {
        all.get(name).addErrorMessage(name + " is set, but no url begins with https://");
      }
    }
    if ((long) all.get(RETRY_BACKOFF_MAX_MS).value() < (long) all.get(RETRY_BACKOFF_MS).value()) {
      all.get(RETRY_BACKOFF_MAX_MS).addErrorMessage(RETRY_BACKOFF_MAX_MS + " must not be less than " + RETRY_BACKOFF_MS);
    }
  }

  private static ConfigDef define() {
    ConfigDef def = new ConfigDef();
    defineConnection(def);
    defineDocuments(def);
    defineRequests(def);
    return def;
  }

  private static void defineConnection(ConfigDef def) {
    String group = "Connection";
    def.define(URL, Type.LIST, ConfigDef.NO_DEFAULT_VALUE, UrlValidator.INSTANCE, Importance.HIGH,
        "Base addresses of the search engine, separated by commas: http or https, a path prefix is allowed, user info is not. "
            + "A task stays with one and goes to the next when a request fails.",
        group, 1, Width.LONG, "Addresses");
    def.define(USERNAME, Type.STRING, "", UsernameValidator.INSTANCE, Importance.MEDIUM,
        "User for basic authentication; empty: none.", group, 2, Width.MEDIUM, "User name");
    def.define(PASSWORD, Type.PASSWORD, "", Importance.MEDIUM,
        "Password of that user. Give it by a config provider, not in plain text.", group, 3, Width.MEDIUM, "Password");
    def.define(API_KEY, Type.PASSWORD, "", ApiKeyValidator.INSTANCE, Importance.MEDIUM,
        "API key of Elasticsearch, as its API calls encoded; instead of a user. Give it by a config provider, not in plain text.",
        group, 4, Width.MEDIUM, "API key");
    def.define(TLS_CA_PATH, Type.STRING, "", CertificateValidator.FILE, Importance.MEDIUM,
        "PEM file with the certificate authorities to trust for https, on every worker; empty: those of the Java runtime. "
            + "Read when a task starts.",
        group, 5, Width.LONG, "CA file");
    def.define(TLS_CA_PEM, Type.STRING, "", CertificateValidator.TEXT, Importance.MEDIUM,
        "The same as text: PEM certificates, trusted in addition to those of tls.ca.path.", group, 6, Width.LONG, "CA certificates");
    def.define(TLS_VERIFY_HOSTNAME, Type.BOOLEAN, true, Importance.LOW,
        "Whether the host name must stand in the engine's certificate. False still checks who signed it.",
        group, 7, Width.SHORT, "Verify host name", Choices.BOOLEAN);
    def.define(CONNECT_TIMEOUT_MS, Type.LONG, 5_000L, Range.between(100, 600_000), Importance.LOW,
        "How long to wait for a connection, in milliseconds.", group, 8, Width.SHORT, "Connect timeout");
    def.define(REQUEST_TIMEOUT_MS, Type.LONG, 30_000L, Range.between(100, 600_000), Importance.LOW,
        "How long to wait for the answer to one bulk request, in milliseconds. Keep it well under the consumer's max.poll.interval.ms.",
        group, 9, Width.SHORT, "Request timeout");
  }

  private static void defineDocuments(ConfigDef def) {
    String group = "Documents";
    def.define(INDEX, Type.STRING, ConfigDef.NO_DEFAULT_VALUE, IndexValidator.INSTANCE, Importance.HIGH,
        "Prefix of the daily indices: a document goes to <index>-YYYY.MM.DD, the UTC day of its event time.",
        group, 1, Width.MEDIUM, "Index prefix");
    def.define(ID_FIELD, Type.STRING, "event_id", new ConfigDef.NonEmptyString(), Importance.MEDIUM,
        "Top-level field with the document's id, a string of 1 to 512 bytes or a whole number. One id is one document within its day.",
        group, 2, Width.MEDIUM, "Id field");
    def.define(TIMESTAMP_FIELD, Type.STRING, "timestamp", new ConfigDef.NonEmptyString(), Importance.MEDIUM,
        "Top-level field with the event time: whole milliseconds since 1970, UTC. A record without it is a bad document.",
        group, 3, Width.MEDIUM, "Event time field");
    def.define(MAX_AGE_DAYS, Type.INT, 0, Range.between(0, 36_500), Importance.LOW,
        "Documents whose day is older than this many days are bad documents; 0 takes any. It keeps wrong clocks from making an index for each day since 1970.",
        group, 4, Width.SHORT, "Greatest age in days", Choices.of(0, 7, 30, 90, 365));
    def.define(RETENTION_DAYS, Type.INT, 0, Range.between(0, 36_500), Importance.MEDIUM,
        "Days after which somebody drops a daily index. A document whose day ended that long ago is left out, counted and told in the log: "
            + "it would make an index that is dropped at once. 0: none is left out.",
        group, 5, Width.SHORT, "Days the index keeps", Choices.of(0, 7, 30, 90, 365));
  }

  private static void defineRequests(ConfigDef def) {
    String group = "Requests";
    def.define(BATCH_MAX_RECORDS, Type.INT, 2_000, Range.between(1, 100_000), Importance.MEDIUM,
        "Most documents in one bulk request. A request never waits to fill up: what the consumer's poll returned is sent. "
            + "For larger requests raise consumer.override.max.poll.records, and consumer.override.fetch.min.bytes to linger.",
        group, 1, Width.SHORT, "Records in a request", Choices.of(500, 1_000, 2_000, 5_000));
    def.define(BATCH_MAX_BYTES, Type.INT, 5 << 20, Range.between(1 << 10, 100 << 20), Importance.MEDIUM,
        "A bulk request is sent once it has this many bytes; a single larger document still goes, alone. "
            + "Keep it under the engine's http.max_content_length (100 MiB unless changed).",
        group, 2, Width.SHORT, "Bytes in a request");
    def.define(MAX_IN_FLIGHT, Type.INT, 2, Range.between(1, 16), Importance.MEDIUM,
        "Bulk requests a task has on the way at once. Documents with the same id stay in order whatever the number.",
        group, 3, Width.SHORT, "Requests in flight", Choices.of(1, 2, 4, 8));
    def.define(RETRY_BACKOFF_MS, Type.LONG, 500L, Range.between(10, 600_000), Importance.LOW,
        "Wait after the first failure, in milliseconds; it doubles up to retry.backoff.max.ms, 20 % more or less at random. "
            + "The engine's Retry-After goes first. There is no last attempt.",
        group, 4, Width.SHORT, "First wait");
    def.define(RETRY_BACKOFF_MAX_MS, Type.LONG, 10_000L, Range.between(10, 600_000), Importance.LOW,
        "Longest wait between attempts, in milliseconds.", group, 5, Width.SHORT, "Longest wait");
  }
}
