package dev.clickstream.bench;

import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;

/**
 * Runs the reference topology on a broker until it is asked to end: one thread, exactly_once_v2, everything else as
 * Kafka Streams has it by default (RocksDB, caching, commits each 100 ms), or by {@link TunedRocks} with
 * {@code -Dclickstream.tuned=true}.
 *
 * <p>Arguments: bootstrap servers, application id, state folder, then the topics of clicks, profiles, enriched, metrics;
 * then, for {@link MetricsTopology} in place of {@link ReferenceTopology}, the grace of its two metrics in ms.
 */
public final class Bench {
    private static final long SIZE_MS = 300_000;
    private static final long GRACE_MS = 60_000;

    private Bench() {}

    public static void main(String[] arguments) throws InterruptedException {
        Properties config = new Properties();
        config.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, arguments[0]);
        config.put(StreamsConfig.APPLICATION_ID_CONFIG, arguments[1]);
        config.put(StreamsConfig.STATE_DIR_CONFIG, arguments[2]);
        config.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        config.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
        config.put(StreamsConfig.consumerPrefix("auto.offset.reset"), "earliest");
        if (Boolean.getBoolean("clickstream.tuned")) {
            TunedRocks.tune(config);
        }
        ReferenceTopology.Topics topics =
                new ReferenceTopology.Topics(arguments[3], arguments[4], arguments[5], arguments[6]);
        ReferenceTopology.Options options = new ReferenceTopology.Options(false, SIZE_MS, SIZE_MS, GRACE_MS, false);
        CountDownLatch ended = new CountDownLatch(1);
        Topology topology = arguments.length > 7
                ? MetricsTopology.build(topics, options, Long.parseLong(arguments[7]))
                : ReferenceTopology.build(topics, options);
        KafkaStreams streams = new KafkaStreams(topology, config);
        streams.setStateListener((now, before) -> {
            System.out.println(now);
            if (now == KafkaStreams.State.ERROR) {
                ended.countDown();
            }
        });
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            streams.close();
            ended.countDown();
        }));
        streams.start();
        ended.await();
    }
}
