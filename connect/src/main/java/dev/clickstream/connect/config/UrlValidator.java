package dev.clickstream.connect.config;

import java.net.URI;
import java.net.URISyntaxException;
import java.util.List;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.common.config.ConfigException;

/** A list of http or https addresses. A refused address is never repeated in the message: it may hold a password. */
final class UrlValidator implements ConfigDef.Validator {
  static final UrlValidator INSTANCE = new UrlValidator();

  private UrlValidator() {}

  @Override
  public void ensureValid(String name, Object value) {
    List<?> urls = value instanceof List<?> list ? list : List.of();
    if (urls.isEmpty()) {
      throw new ConfigException(name + " is empty: " + this);
    }
    for (int i = 0; i < urls.size(); i++) {
      String fault = fault((String) urls.get(i));
      if (fault != null) {
        throw new ConfigException(name + ", address " + (i + 1) + " of " + urls.size() + " " + fault + ": " + this);
      }
    }
  }

  private static String fault(String text) {
    URI url;
    try {
      url = new URI(text);
    } catch (URISyntaxException e) {
      return "is not a URL";
    }
    if (!"http".equals(url.getScheme()) && !"https".equals(url.getScheme())) {
      return "has not the scheme http or https";
    }
    if (url.getRawUserInfo() != null || (url.getRawAuthority() != null && url.getRawAuthority().contains("@"))) {
      return "has user info (use username and password)";
    }
    if (url.getHost() == null) {
      return "has no valid host";
    }
    return url.getRawQuery() != null || url.getRawFragment() != null ? "has a query or a fragment" : null;
  }

  @Override
  public String toString() {
    return "http(s)://host[:port][/path], separated by commas";
  }
}
