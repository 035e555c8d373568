package dev.clickstream.connect.config;

import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.common.config.types.Password;

/** An API key that a header can carry: the characters of Base64. Says nothing of the key itself. */
final class ApiKeyValidator implements ConfigDef.Validator {
  static final ApiKeyValidator INSTANCE = new ApiKeyValidator();

  private ApiKeyValidator() {}

  @Override
  public void ensureValid(String name, Object value) {
    if (value instanceof Password key && !key.value().strip().matches("[A-Za-z0-9+/=_-]*")) {
      throw new ConfigException(name + " must be " + this);
    }
  }

  @Override
  public String toString() {
    return "empty, or letters, digits and + / = _ -";
  }
}
