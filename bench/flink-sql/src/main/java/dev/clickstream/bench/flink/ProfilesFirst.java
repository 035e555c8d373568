package dev.clickstream.bench.flink;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.flink.table.functions.FunctionContext;
import org.apache.flink.table.functions.ScalarFunction;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Holds clicks back until the profiles are there: a look-up at processing time does not wait for its table.
 *
 * <p>Both functions run in one process. After the start they cost next to nothing.
 */
public final class ProfilesFirst {
    private static final long STANDSTILL_MS = 120_000;
    private static final long IN_FLIGHT_MS = 2_000; // between the function and the join's state, of one mini-batch
    private static final Map<Integer, Long> PASSED = new ConcurrentHashMap<>(); // partition -> offset after the greatest

    private ProfilesFirst() {}

    /** A condition on profiles, always true: remembers how far they have come. */
    public static final class HasPassed extends ScalarFunction {
        public boolean eval(Integer partition, Long offset) {
            PASSED.merge(partition, offset + 1, Math::max); // a mini-batch is in no order
            return true;
        }
    }

    /** A condition on clicks, always true: its task opens when all profiles have passed that the topic has now. */
    public static final class After extends ScalarFunction {
        private final String bootstrap;
        private final String topic;

        public After(String bootstrap, String topic) {
            this.bootstrap = bootstrap;
            this.topic = topic;
        }

        @Override
        public void open(FunctionContext context) throws Exception {
            Map<Integer, Long> ends = ends();
            long best = -1, moved = System.currentTimeMillis();
            while (!ends.entrySet().stream().allMatch(end -> PASSED.getOrDefault(end.getKey(), 0L) >= end.getValue())) {
                long sum = PASSED.values().stream().mapToLong(Long::longValue).sum();
                if (sum > best) {
                    best = sum;
                    moved = System.currentTimeMillis();
                } else if (System.currentTimeMillis() - moved > STANDSTILL_MS) {
                    throw new IllegalStateException("profiles stand still at " + PASSED + " of " + ends);
                }
                Thread.sleep(20);
            }
            Thread.sleep(ends.isEmpty() ? 0 : IN_FLIGHT_MS);
        }

        public boolean eval(String any) {
            return true;
        }

        private Map<Integer, Long> ends() {
            Map<String, Object> settings = Map.of("bootstrap.servers", bootstrap);
            ByteArrayDeserializer bytes = new ByteArrayDeserializer();
            Map<Integer, Long> ends = new HashMap<>();
            try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(settings, bytes, bytes)) {
                List<TopicPartition> partitions = consumer.partitionsFor(topic).stream()
                        .map(one -> new TopicPartition(topic, one.partition()))
                        .toList();
                Map<TopicPartition, Long> starts = consumer.beginningOffsets(partitions);
                consumer.endOffsets(partitions).forEach((one, end) -> {
                    if (end > starts.get(one)) {
                        ends.put(one.partition(), end);
                    }
                });
            }
            return ends;
        }
    }
}
