package dev.clickstream.connect.config;

import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.common.config.ConfigException;

/** A user name fit for basic authentication (RFC 7617): no colon, no control characters. */
final class UsernameValidator implements ConfigDef.Validator {
  static final UsernameValidator INSTANCE = new UsernameValidator();

  private UsernameValidator() {}

  @Override
  public void ensureValid(String name, Object value) {
    if (value instanceof String user && user.chars().anyMatch(c -> c == ':' || Character.isISOControl(c))) {
      throw new ConfigException(name, user, this.toString());
    }
  }

  @Override
  public String toString() {
    return "no colon, no control character";
  }
}
