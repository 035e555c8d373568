package dev.clickstream.bench;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Properties;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.TestInputTopic;
import org.apache.kafka.streams.TestOutputTopic;
import org.apache.kafka.streams.TopologyTestDriver;
import org.apache.kafka.streams.errors.LogAndContinueExceptionHandler;
import org.apache.kafka.streams.state.BuiltInDslStoreSuppliers;
import org.apache.kafka.streams.test.TestRecord;

/**
 * Runs the reference topology in TopologyTestDriver: events in from a file, every output record out.
 *
 * <p>The argument is a file of runs, one JSON object a line: {"join", "size_ms", "advance_ms", "grace_ms", "emit",
 * "events", "outputs"}. An event is {"topic": "clicks" | "profiles", "key", "value", "timestamp"}, an output
 * {"after": number of the event that caused it, "topic": "enriched" | "metrics", "key", "value", "timestamp"}; values
 * are the records' JSON as text, null for a tombstone.
 */
public final class Oracle {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final ReferenceTopology.Topics TOPICS =
            new ReferenceTopology.Topics("clicks", "profiles", "enriched", "metrics");

    private Oracle() {}

    public static void main(String[] arguments) throws IOException {
        for (String line : Files.readAllLines(Path.of(arguments[0]))) {
            JsonNode run = JSON.readTree(line);
            long sizeMs = run.get("size_ms").asLong();
            JsonNode advance = run.get("advance_ms");
            run(
                    new ReferenceTopology.Options(
                            run.get("join").asText().equals("left"),
                            sizeMs,
                            advance.isNull() ? sizeMs : advance.asLong(),
                            run.get("grace_ms").asLong(),
                            run.get("emit").asText().equals("final")),
                    Path.of(run.get("events").asText()),
                    Path.of(run.get("outputs").asText()));
        }
    }

    private static void run(ReferenceTopology.Options options, Path events, Path outputs) throws IOException {
        Properties config = new Properties();
        config.put(StreamsConfig.APPLICATION_ID_CONFIG, "oracle");
        config.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, "none:1");
        config.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 0); // every update, uncollapsed
        config.put(
                StreamsConfig.DSL_STORE_SUPPLIERS_CLASS_CONFIG,
                BuiltInDslStoreSuppliers.InMemoryDslStoreSuppliers.class);
        config.put(
                StreamsConfig.DESERIALIZATION_EXCEPTION_HANDLER_CLASS_CONFIG, LogAndContinueExceptionHandler.class);
        StringSerializer in = new StringSerializer();
        StringDeserializer out = new StringDeserializer();
        try (TopologyTestDriver driver = new TopologyTestDriver(ReferenceTopology.build(TOPICS, options), config);
                BufferedReader reader = Files.newBufferedReader(events);
                BufferedWriter writer = Files.newBufferedWriter(outputs)) {
            TestInputTopic<String, String> clicks = driver.createInputTopic(TOPICS.clicks(), in, in);
            TestInputTopic<String, String> profiles = driver.createInputTopic(TOPICS.profiles(), in, in);
            TestOutputTopic<String, String> enriched = driver.createOutputTopic(TOPICS.enriched(), out, out);
            TestOutputTopic<String, String> metrics = driver.createOutputTopic(TOPICS.metrics(), out, out);
            int number = 0;
            for (String line = reader.readLine(); line != null; line = reader.readLine(), number++) {
                JsonNode event = JSON.readTree(line);
                TestInputTopic<String, String> topic = event.get("topic").asText().equals("clicks") ? clicks : profiles;
                topic.pipeInput(
                        event.get("key").textValue(),
                        event.get("value").textValue(),
                        Instant.ofEpochMilli(event.get("timestamp").asLong()));
                write(writer, number, "enriched", enriched);
                write(writer, number, "metrics", metrics);
            }
        }
    }

    private static void write(BufferedWriter writer, int after, String name, TestOutputTopic<String, String> topic)
            throws IOException {
        while (!topic.isEmpty()) {
            TestRecord<String, String> record = topic.readRecord();
            ObjectNode output = JSON.createObjectNode();
            output.put("after", after);
            output.put("topic", name);
            output.put("key", record.key());
            output.put("value", record.value());
            output.put("timestamp", record.timestamp());
            writer.write(JSON.writeValueAsString(output));
            writer.newLine();
        }
    }
}
