package dev.clickstream.bench;

import dev.clickstream.bench.Records.Click;
import dev.clickstream.bench.Records.EnrichedClick;
import dev.clickstream.bench.Records.IdentifiedClick;
import dev.clickstream.bench.Records.Profile;
import dev.clickstream.bench.Records.UserMetrics;
import java.time.Duration;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Joined;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.Suppressed;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.kstream.Windowed;
import org.apache.kafka.streams.processor.api.ContextualFixedKeyProcessor;
import org.apache.kafka.streams.processor.api.FixedKeyRecord;
import org.apache.kafka.streams.processor.api.RecordMetadata;

/**
 * The pipeline in the Kafka Streams DSL: stream-table join, filter, windowed count.
 *
 * <p>The example pipeline's CEL filter, {@code click.action != "heartbeat"}, is Java here.
 */
final class ReferenceTopology {
    static final Serde<String> STRINGS = Serdes.String();

    private ReferenceTopology() {}

    record Topics(String clicks, String profiles, String enriched, String metrics) {}

    /** Durations in ms; {@code advanceMs == sizeMs} is tumbling. */
    record Options(boolean leftJoin, long sizeMs, long advanceMs, long graceMs, boolean finalOnly) {}

    static Topology build(Topics topics, Options options) {
        StreamsBuilder builder = new StreamsBuilder();
        add(builder, topics, options);
        return builder.build();
    }

    /** Adds the pipeline; returns its enriched clicks. */
    static KStream<String, EnrichedClick> add(StreamsBuilder builder, Topics topics, Options options) {
        KTable<String, Profile> profiles =
                builder.table(topics.profiles(), Consumed.with(STRINGS, Records.serde(Profile.class)));
        KStream<String, IdentifiedClick> clicks = builder.stream(
                        topics.clicks(),
                        Consumed.with(STRINGS, Records.serde(Click.class))
                                .withTimestampExtractor((record, partitionTime) ->
                                        record.value() instanceof Click click ? click.timestamp() : record.timestamp()))
                .processValues(Identify::new);
        Joined<String, IdentifiedClick, Profile> joined =
                Joined.with(STRINGS, null, Records.serde(Profile.class));
        KStream<String, EnrichedClick> enriched = options.leftJoin()
                ? clicks.leftJoin(profiles, EnrichedClick::of, joined)
                : clicks.join(profiles, EnrichedClick::of, joined);
        KStream<String, EnrichedClick> kept = enriched.filter((user, click) -> !"heartbeat".equals(click.action()));
        kept.to(topics.enriched(), Produced.with(STRINGS, Records.serde(EnrichedClick.class)));

        KTable<Windowed<String>, Long> counts = kept.groupByKey(
                        Grouped.with(STRINGS, Records.serde(EnrichedClick.class)))
                .windowedBy(TimeWindows.ofSizeAndGrace(
                                Duration.ofMillis(options.sizeMs()), Duration.ofMillis(options.graceMs()))
                        .advanceBy(Duration.ofMillis(options.advanceMs())))
                .count();
        if (options.finalOnly()) {
            counts = counts.suppress(Suppressed.untilWindowCloses(Suppressed.BufferConfig.unbounded()));
        }
        counts.toStream()
                .map((window, count) -> KeyValue.pair(
                        window.key(),
                        new UserMetrics(window.key(), window.window().start(), window.window().end(), count)))
                .to(topics.metrics(), Produced.with(STRINGS, Records.serde(UserMetrics.class)));
        return kept;
    }

    /** Gives a click the id of its place in the topic; a record without a value stays without one. */
    private static final class Identify extends ContextualFixedKeyProcessor<String, Click, IdentifiedClick> {
        @Override
        public void process(FixedKeyRecord<String, Click> record) {
            RecordMetadata place = context().recordMetadata().orElseThrow();
            String id = place.topic() + "-" + place.partition() + "-" + place.offset();
            Click click = record.value();
            context().forward(record.withValue(click == null ? null : new IdentifiedClick(id, click)));
        }
    }
}
