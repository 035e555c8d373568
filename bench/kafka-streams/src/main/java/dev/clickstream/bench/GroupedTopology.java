package dev.clickstream.bench;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.annotation.JsonProperty;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.math.BigDecimal;
import java.time.Duration;
import java.util.TreeSet;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.kstream.Aggregator;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.Suppressed;
import org.apache.kafka.streams.kstream.TimeWindowedKStream;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.kstream.Windowed;
import org.apache.kafka.streams.state.WindowStore;

/**
 * A metric in the Kafka Streams DSL: clicks grouped by any key, through a repartition topic, aggregated in windows.
 *
 * <p>Numbers are decimals as text, so that no addition rounds. What is kept of a window is text too: a number, sum and
 * count with a space between, or a JSON list of different values.
 */
final class GroupedTopology {
    private static final Serde<String> STRINGS = Serdes.String();

    private GroupedTopology() {}

    @JsonIgnoreProperties(ignoreUnknown = true)
    record Grouping(@JsonProperty("group") String group, @JsonProperty("value") String value) {}

    static Topology build(String kind, long sizeMs, long advanceMs, long graceMs, boolean finalOnly) {
        StreamsBuilder builder = new StreamsBuilder();
        Serde<Grouping> clicks = Records.serde(Grouping.class);
        TimeWindowedKStream<String, Grouping> windows = builder.stream(
                        MetricOracle.INPUT, Consumed.with(STRINGS, clicks))
                .groupBy((user, click) -> click.group(), Grouped.with(STRINGS, clicks))
                .windowedBy(TimeWindows.ofSizeAndGrace(Duration.ofMillis(sizeMs), Duration.ofMillis(graceMs))
                        .advanceBy(Duration.ofMillis(advanceMs)));
        if (kind.equals("count")) {
            write(windows.count(), finalOnly);
        } else {
            Aggregator<String, Grouping, String> add = adding(kind);
            write(
                    windows.aggregate(
                            () -> "",
                            add,
                            Materialized.<String, String, WindowStore<Bytes, byte[]>>with(STRINGS, STRINGS)),
                    finalOnly);
        }
        return builder.build();
    }

    private static <T> void write(KTable<Windowed<String>, T> table, boolean finalOnly) {
        KTable<Windowed<String>, T> told = finalOnly
                ? table.suppress(Suppressed.untilWindowCloses(Suppressed.BufferConfig.unbounded()))
                : table;
        told.toStream()
                .map((window, value) -> KeyValue.pair(
                        window.key(),
                        MetricOracle.result(window.window().start(), window.window().end(), value.toString())))
                .to(MetricOracle.OUTPUT, Produced.with(STRINGS, STRINGS));
    }

    private static Aggregator<String, Grouping, String> adding(String kind) {
        return switch (kind) {
            case "sum" -> (key, click, held) -> number(held).add(number(click.value())).toString();
            case "min" -> (key, click, held) ->
                    held.isEmpty() ? click.value() : number(held).min(number(click.value())).toString();
            case "max" -> (key, click, held) ->
                    held.isEmpty() ? click.value() : number(held).max(number(click.value())).toString();
            case "avg" -> (key, click, held) -> {
                String[] parts = held.isEmpty() ? new String[] {"0", "0"} : held.split(" ");
                return number(parts[0]).add(number(click.value())) + " " + (Long.parseLong(parts[1]) + 1);
            };
            case "distinct" -> (key, click, held) -> withValue(held, click.value());
            default -> throw new IllegalArgumentException(kind);
        };
    }

    private static BigDecimal number(String text) {
        return text.isEmpty() ? BigDecimal.ZERO : new BigDecimal(text);
    }

    private static String withValue(String held, String value) {
        try {
            TreeSet<String> values = new TreeSet<>();
            if (!held.isEmpty()) {
                MetricOracle.JSON.readTree(held).forEach(each -> values.add(each.textValue()));
            }
            values.add(value);
            return MetricOracle.JSON.writeValueAsString(values);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
