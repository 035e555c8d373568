package dev.clickstream.connect;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.clickstream.connect.config.SearchSinkConfig;
import dev.clickstream.connect.metrics.SinkMetrics;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import org.apache.kafka.common.config.ConfigDef;
import org.junit.jupiter.api.Test;

/** README.md's tables are made from the code. To renew them: {@code mvn test -Dtest=ReadmeTest -Dreadme.update=true}. */
class ReadmeTest {
  private static final Path README = Path.of("README.md");

  @Test
  void readmeHasTheOptionsAndMetricsOfTheCode() throws IOException {
    String found = Files.readString(README);
    String wanted = replace(replace(found, "options", options()), "metrics", metrics());
    if (Boolean.getBoolean("readme.update")) {
      Files.writeString(README, wanted);
      return;
    }
    assertEquals(wanted, found, "README.md is not current: mvn test -Dtest=ReadmeTest -Dreadme.update=true");
  }

  private static String replace(String text, String name, String table) {
    String begin = "<!-- begin " + name + " -->\n";
    String end = "<!-- end " + name + " -->";
    return text.substring(0, text.indexOf(begin) + begin.length()) + table + text.substring(text.indexOf(end));
  }

  private static String options() {
    StringBuilder table = new StringBuilder();
    String group = "";
    for (String name : SearchSinkConfig.DEFINITION.configKeys().keySet()) {
      ConfigDef.ConfigKey key = SearchSinkConfig.DEFINITION.configKeys().get(name);
      if (!key.group.equals(group)) {
        group = key.group;
        table.append("\n**").append(group).append("**\n\n| option | default | allowed | meaning |\n|---|---|---|---|\n");
      }
      table.append("| `").append(name).append("` | ").append(value(key)).append(" | ").append(allowed(key)).append(" | ")
          .append(cell(key.documentation)).append(" |\n");
    }
    return table.append('\n').toString();
  }

  private static String value(ConfigDef.ConfigKey key) {
    if (!key.hasDefault()) {
      return "*required*";
    }
    String text = key.type == ConfigDef.Type.PASSWORD ? "" : String.valueOf(key.defaultValue);
    return text.isEmpty() ? "" : "`" + text + "`";
  }

  private static String allowed(ConfigDef.ConfigKey key) {
    if (key.type == ConfigDef.Type.BOOLEAN) {
      return "true, false";
    }
    return key.validator == null ? key.type.name().toLowerCase(Locale.ROOT) : cell(key.validator.toString().replaceAll("^\\[(\\d+),...,(\\d+)]$", "$1 to $2"));
  }

  private static String metrics() {
    StringBuilder table = new StringBuilder("\n| metric | meaning |\n|---|---|\n");
    for (Map.Entry<String, String> metric : SinkMetrics.DESCRIPTIONS.entrySet()) {
      table.append("| `").append(metric.getKey()).append("` | ").append(metric.getValue()).append(" |\n");
    }
    return table.append('\n').toString();
  }

  private static String cell(String text) {
    return text.replace("|", "\\|").replace("<", "&lt;").replace(">", "&gt;").replace("*", "\\*");
  }
}
