package dev.clickstream.connect.config;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.clickstream.connect.SearchSinkConnector;
import java.net.URI;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.ServiceLoader;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.common.config.ConfigValue;
import org.apache.kafka.connect.sink.SinkConnector;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SearchSinkConfigTest {
  private static Map<String, String> settings(String... more) {
    Map<String, String> settings = new HashMap<>(Map.of("url", "http://search:9200", "index", "enriched-clicks"));
    for (int i = 0; i < more.length; i += 2) {
      settings.put(more[i], more[i + 1]);
    }
    return settings;
  }

  /** Returns all errors as Kafka Connect's REST API shows them. */
  private static Map<String, List<String>> errors(Map<String, String> settings) {
    Map<String, List<String>> errors = new HashMap<>();
    for (ConfigValue value : new SearchSinkConnector().validate(settings).configValues()) {
      if (!value.errorMessages().isEmpty()) {
        errors.put(value.name(), value.errorMessages());
      }
    }
    return errors;
  }

  @Test
  void kafkaConnectFindsTheConnector() {
    assertTrue(ServiceLoader.load(SinkConnector.class).stream().anyMatch(found -> found.type() == SearchSinkConnector.class));
  }

  @Test
  void urlAndIndexAreEnough() {
    assertEquals(Map.of(), errors(settings()));
    assertEquals("event_id", new SearchSinkConfig(settings()).getString("id.field"));
  }

  @Test
  void urlAndIndexAreRequired() {
    assertEquals(java.util.Set.of("url", "index"), errors(Map.of()).keySet());
  }

  @Test
  void severalUrlsAreAList() {
    SearchSinkConfig config = new SearchSinkConfig(settings("url", "http://a:9200/, https://b/search"));
    assertEquals(List.of(URI.create("http://a:9200"), URI.create("https://b/search")), config.urls());
  }

  @ParameterizedTest
  @CsvSource(quoteCharacter = '"', value = {
      "url, ftp://search, has not the scheme http or https",
      "url, search:9200, has not the scheme http or https",
      "url, http://, is not a URL",
      "url, http://ali:sesame@search, has user info",
      "url, \"http://ok,http://x?a=b\", address 2 of 2 has a query",
      "index, Clicks, in lower case",
      "index, a*, in lower case",
      "index, _a, not beginning with",
      "index, \"a,b\", without",
      "username, a:b, no colon",
      "api.key, two words, letters",
      "tls.ca.path, /does/not/exist, cannot read /does/not/exist (NoSuchFileException)",
      "tls.ca.pem, no certificate, PEM",
      "tls.verify.hostname, perhaps, either true or false",
      "id.field, \"\", non-empty",
      "batch.max.records, 0, at least 1",
      "batch.max.bytes, 9999999999, Not a number of type INT",
      "max.in.flight.requests, 17, no more than 16",
      "retry.backoff.ms, 1, at least 10"})
  void aWrongValueIsRefusedAndSaysWhatIsAllowed(String option, String value, String message) {
    Map<String, List<String>> errors = errors(settings(option, value));
    assertEquals(java.util.Set.of(option), errors.keySet());
    assertTrue(errors.get(option).get(0).contains(message), errors::toString);
    assertThrows(ConfigException.class, () -> new SearchSinkConfig(settings(option, value)));
  }

  @Test
  void aRefusedUrlIsNotRepeated() {
    assertFalse(errors(settings("url", "http://ali:sesame@search")).toString().contains("sesame"));
  }

  @ParameterizedTest
  @CsvSource({
      "username, ali, password, username and password go together: password is missing",
      "password, sesame, username, username and password go together: username is missing",
      "retry.backoff.ms, 20000, retry.backoff.max.ms, retry.backoff.max.ms must not be less than retry.backoff.ms"})
  void optionsThatDoNotFitTogetherAreRefused(String option, String value, String found, String message) {
    assertEquals(Map.of(found, List.of(message)), errors(settings(option, value)));
    assertEquals(message, assertThrows(ConfigException.class, () -> new SearchSinkConfig(settings(option, value))).getMessage());
  }

  @Test
  void certificatesWithoutHttpsAreRefused() throws Exception {
    String pem = Certificates.make("localhost").pem();
    assertEquals(Map.of("tls.ca.pem", List.of("tls.ca.pem is set, but no url begins with https://")), errors(settings("tls.ca.pem", pem)));
    assertEquals(Map.of(), errors(settings("tls.ca.pem", pem, "url", "https://search")));
  }

  @Test
  void everyOptionHasAGroupAndADocumentation() {
    SearchSinkConfig.DEFINITION.configKeys().values().forEach(key -> {
      assertFalse(key.documentation.isBlank(), key.name);
      assertFalse(key.group.isBlank(), key.name);
      assertFalse(key.displayName.isBlank(), key.name);
    });
  }

  @Test
  void aPasswordIsNotShown() {
    SearchSinkConfig config = new SearchSinkConfig(settings("username", "ali", "password", "sesame"));
    assertFalse((config.values() + config.toString()).contains("sesame"));
  }

  @Test
  void anApiKeyIsSentAndNeverShownAndNotBesideAUser() {
    SearchSinkConfig config = new SearchSinkConfig(settings("api.key", "c2VzYW1l\n"));
    assertEquals(java.util.Optional.of("ApiKey c2VzYW1l"), config.authorization());
    assertFalse((config.values() + config.toString()).contains("c2VzYW1l"));
    assertEquals(
        Map.of("api.key", List.of("api.key and username do not go together: give one of them")),
        errors(settings("api.key", "c2VzYW1l", "username", "ali", "password", "sesame")));
    assertFalse(errors(settings("api.key", "two words")).toString().contains("two words"));
  }
}
