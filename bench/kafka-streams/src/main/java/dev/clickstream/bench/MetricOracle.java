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
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.TopologyTestDriver;
import org.apache.kafka.streams.state.BuiltInDslStoreSuppliers;
import org.apache.kafka.streams.test.TestRecord;

/**
 * Runs clicks through a metric or through sessions in TopologyTestDriver: events in from a file, every update out.
 *
 * <p>The argument is a file of runs, one JSON object a line: {"kind", "size_ms", "advance_ms", "grace_ms", "emit",
 * "events", "outputs"}, or for sessions {"kind": "sessions", "gap_ms", "grace_ms", "retention_ms", "events",
 * "outputs"}; without retention_ms the store has Kafka Streams' default. An event is {"user", "group", "value",
 * "timestamp"}. An output is {"after": number of the event that caused it, "key", "start", "end", "value"}; a session's
 * value is null where it is taken back.
 */
public final class MetricOracle {
    static final String INPUT = "clicks";
    static final String OUTPUT = "results";
    static final ObjectMapper JSON = new ObjectMapper();

    private MetricOracle() {}

    public static void main(String[] arguments) throws IOException {
        for (String line : Files.readAllLines(Path.of(arguments[0]))) {
            JsonNode run = JSON.readTree(line);
            Path events = Path.of(run.get("events").asText());
            run(topology(run), events, Path.of(run.get("outputs").asText()));
        }
    }

    private static Topology topology(JsonNode run) {
        String kind = run.get("kind").asText();
        long graceMs = run.get("grace_ms").asLong();
        if (kind.equals("sessions")) {
            JsonNode retention = run.get("retention_ms");
            return SessionTopology.build(
                    run.get("gap_ms").asLong(), graceMs, retention.isNull() ? null : retention.asLong());
        }
        return GroupedTopology.build(
                kind,
                run.get("size_ms").asLong(),
                run.get("advance_ms").asLong(),
                graceMs,
                run.get("emit").asText().equals("final"));
    }

    private static void run(Topology topology, Path events, Path outputs) throws IOException {
        Properties config = new Properties();
        config.put(StreamsConfig.APPLICATION_ID_CONFIG, "oracle");
        config.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, "none:1");
        config.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 0); // every update, uncollapsed
        config.put(
                StreamsConfig.DSL_STORE_SUPPLIERS_CLASS_CONFIG,
                BuiltInDslStoreSuppliers.InMemoryDslStoreSuppliers.class);
        StringSerializer in = new StringSerializer();
        StringDeserializer out = new StringDeserializer();
        try (TopologyTestDriver driver = new TopologyTestDriver(topology, config);
                BufferedReader reader = Files.newBufferedReader(events);
                BufferedWriter writer = Files.newBufferedWriter(outputs)) {
            TestInputTopic<String, String> clicks = driver.createInputTopic(INPUT, in, in);
            TestOutputTopic<String, String> results = driver.createOutputTopic(OUTPUT, out, out);
            int number = 0;
            for (String line = reader.readLine(); line != null; line = reader.readLine(), number++) {
                JsonNode event = JSON.readTree(line);
                clicks.pipeInput(
                        event.get("user").asText(),
                        line,
                        Instant.ofEpochMilli(event.get("timestamp").asLong()));
                while (!results.isEmpty()) {
                    TestRecord<String, String> result = results.readRecord();
                    ObjectNode output = (ObjectNode) JSON.readTree(result.value());
                    output.put("after", number);
                    output.put("key", result.key());
                    writer.write(JSON.writeValueAsString(output));
                    writer.newLine();
                }
            }
        }
    }

    /** Returns the JSON of one output record. */
    static String result(long start, long end, String value) {
        ObjectNode result = JSON.createObjectNode();
        result.put("start", start);
        result.put("end", end);
        result.put("value", value);
        return result.toString();
    }
}
