package dev.clickstream.connect;

import dev.clickstream.connect.config.SearchSinkConfig;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.config.Config;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.connect.connector.Task;
import org.apache.kafka.connect.sink.SinkConnector;

/**
 * Writes JSON records into daily OpenSearch or Elasticsearch indices, in bulk.
 *
 * <p>Each task gets the same settings: Kafka Connect shares out the partitions. Delivery is at least once, and
 * idempotent because the document id and the index follow from the record alone.
 */
public final class SearchSinkConnector extends SinkConnector {
  private Map<String, String> settings = Map.of();

  @Override
  public void start(Map<String, String> given) {
    new SearchSinkConfig(given); // refuses what the tasks could not use
    settings = Map.copyOf(given);
  }

  @Override
  public void stop() {
    settings = Map.of();
  }

  @Override
  public Class<? extends Task> taskClass() {
    return SearchSinkTask.class;
  }

  @Override
  public List<Map<String, String>> taskConfigs(int maxTasks) {
    return Collections.nCopies(maxTasks, settings);
  }

  @Override
  public ConfigDef config() {
    return SearchSinkConfig.DEFINITION;
  }

  /** Adds to the checks of each option those that look at several at once. */
  @Override
  public Config validate(Map<String, String> given) {
    Config result = super.validate(given);
    SearchSinkConfig.checkTogether(result.configValues());
    return result;
  }

  @Override
  public String version() {
    return Version.ofThisJar();
  }
}
