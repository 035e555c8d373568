package dev.clickstream.connect.config;

import java.nio.charset.StandardCharsets;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.common.config.ConfigException;

/** The engines' rules for index names, with room for {@code -YYYY.MM.DD}. */
final class IndexValidator implements ConfigDef.Validator {
  static final IndexValidator INSTANCE = new IndexValidator();
  private static final String FORBIDDEN = "\\/*?\"<>|, #:";
  private static final int MAX_BYTES = 255 - "-YYYY.MM.DD".length();

  private IndexValidator() {}

  @Override
  public void ensureValid(String name, Object value) {
    String index = value == null ? "" : (String) value;
    boolean valid = !index.isEmpty()
        && index.getBytes(StandardCharsets.UTF_8).length <= MAX_BYTES
        && "-_+.".indexOf(index.charAt(0)) < 0
        && index.chars().noneMatch(c -> Character.isUpperCase(c) || Character.isISOControl(c) || FORBIDDEN.indexOf(c) >= 0);
    if (!valid) {
      throw new ConfigException(name, index, this.toString());
    }
  }

  @Override
  public String toString() {
    return "1 to " + MAX_BYTES + " bytes in lower case, not beginning with - _ + or a dot, without \\ / * ? \" < > | , # : or spaces";
  }
}
