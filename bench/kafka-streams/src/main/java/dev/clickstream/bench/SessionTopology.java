package dev.clickstream.bench;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.core.JsonProcessingException;
import java.io.UncheckedIOException;
import java.time.Duration;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.SessionWindows;
import org.apache.kafka.streams.state.SessionStore;

/**
 * Sessions of users in the Kafka Streams DSL: clicks, the first page and the last one.
 *
 * <p>Of clicks at one time the first to arrive is the entry, the last to arrive the exit.
 */
final class SessionTopology {
    private static final Serde<String> STRINGS = Serdes.String();
    private static final Session NONE = new Session(0, 0, 0, "", "");

    private SessionTopology() {}

    @JsonIgnoreProperties(ignoreUnknown = true)
    record Page(@JsonProperty("value") String page, @JsonProperty("timestamp") long timestamp) {}

    record Session(
            @JsonProperty("clicks") long clicks,
            @JsonProperty("first_ms") long firstMs,
            @JsonProperty("last_ms") long lastMs,
            @JsonProperty("entry") String entry,
            @JsonProperty("exit") String exit) {

        /** Returns this session and one, or a click, that came later. */
        Session and(Session later) {
            if (clicks == 0) {
                return later;
            }
            boolean begins = later.firstMs < firstMs;
            boolean ends = later.lastMs >= lastMs;
            return new Session(
                    clicks + later.clicks,
                    begins ? later.firstMs : firstMs,
                    ends ? later.lastMs : lastMs,
                    begins ? later.entry : entry,
                    ends ? later.exit : exit);
        }
    }

    /** Retention is that of the store: null for the default, which is gap and grace. */
    static Topology build(long gapMs, long graceMs, Long retentionMs) {
        StreamsBuilder builder = new StreamsBuilder();
        Serde<Page> pages = Records.serde(Page.class);
        Materialized<String, Session, SessionStore<Bytes, byte[]>> store =
                Materialized.with(STRINGS, Records.serde(Session.class));
        if (retentionMs != null) {
            store.withRetention(Duration.ofMillis(retentionMs));
        }
        builder.stream(MetricOracle.INPUT, Consumed.with(STRINGS, pages))
                .groupByKey(Grouped.with(STRINGS, pages))
                .windowedBy(SessionWindows.ofInactivityGapAndGrace(Duration.ofMillis(gapMs), Duration.ofMillis(graceMs)))
                .aggregate(
                        () -> NONE,
                        (user, page, session) -> session.and(
                                new Session(1, page.timestamp(), page.timestamp(), page.page(), page.page())),
                        (user, one, other) -> one.and(other),
                        store)
                .toStream()
                .map((window, session) -> KeyValue.pair(
                        window.key(),
                        MetricOracle.result(window.window().start(), window.window().end(), text(session))))
                .to(MetricOracle.OUTPUT, Produced.with(STRINGS, STRINGS));
        return builder.build();
    }

    private static String text(Session session) {
        try {
            return session == null ? null : MetricOracle.JSON.writeValueAsString(session);
        } catch (JsonProcessingException e) {
            throw new UncheckedIOException(e);
        }
    }
}
