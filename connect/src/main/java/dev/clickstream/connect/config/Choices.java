package dev.clickstream.connect.config;

import java.util.List;
import java.util.Map;
import org.apache.kafka.common.config.ConfigDef;

/** Recommends values to user interfaces; others stay allowed. Every option is always visible. */
record Choices(List<Object> values) implements ConfigDef.Recommender {
  static final Choices BOOLEAN = of(true, false);

  static Choices of(Object... values) {
    return new Choices(List.of(values));
  }

  @Override
  public List<Object> validValues(String name, Map<String, Object> parsed) {
    return values;
  }

  @Override
  public boolean visible(String name, Map<String, Object> parsed) {
    return true;
  }
}
