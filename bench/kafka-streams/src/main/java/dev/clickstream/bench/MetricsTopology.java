package dev.clickstream.bench;

import dev.clickstream.bench.Records.EnrichedClick;
import java.time.Duration;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.state.WindowStore;

/**
 * The reference topology with two metrics: page views by page and active users by country, in windows of 5 minutes
 * that move on by the minute.
 *
 * <p>Each grouping goes by a repartition topic, whose records hold the new key and no more than is needed: nothing for
 * page views, the user for active users. Different users are counted by {@link Registers}, as a set of them would have
 * to be read and written for each click. Both results stay in their stores, as the pods' do.
 */
final class MetricsTopology {
    private static final Duration SIZE = Duration.ofMinutes(5);
    private static final Duration ADVANCE = Duration.ofMinutes(1);

    private MetricsTopology() {}

    static Topology build(ReferenceTopology.Topics topics, ReferenceTopology.Options options, long graceMs) {
        StreamsBuilder builder = new StreamsBuilder();
        KStream<String, EnrichedClick> clicks = ReferenceTopology.add(builder, topics, options);
        TimeWindows windows =
                TimeWindows.ofSizeAndGrace(SIZE, Duration.ofMillis(graceMs)).advanceBy(ADVANCE);
        clicks.map((user, click) -> KeyValue.pair(click.pageUrl(), ""))
                .groupByKey(Grouped.with("by-page", Serdes.String(), Serdes.String()))
                .windowedBy(windows)
                .count(Materialized.<String, Long, WindowStore<Bytes, byte[]>>as("page-views")
                        .withKeySerde(Serdes.String())
                        .withValueSerde(Serdes.Long()));
        clicks.map((user, click) -> KeyValue.pair(click.country(), user))
                .groupByKey(Grouped.with("by-country", Serdes.String(), Serdes.String()))
                .windowedBy(windows)
                .aggregate(
                        Registers::none,
                        (country, user, registers) -> Registers.add(registers, user),
                        Materialized.<String, byte[], WindowStore<Bytes, byte[]>>as("active-users")
                                .withKeySerde(Serdes.String())
                                .withValueSerde(Serdes.ByteArray()));
        return builder.build();
    }
}
