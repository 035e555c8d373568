package dev.clickstream.bench;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.annotation.JsonPropertyOrder;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import com.fasterxml.jackson.databind.ObjectWriter;
import java.io.IOException;
import org.apache.kafka.common.errors.SerializationException;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.Serializer;

/** The records of the topics, and their JSON. */
final class Records {
    private static final ObjectMapper JSON = new ObjectMapper();

    private Records() {}

    @JsonIgnoreProperties(ignoreUnknown = true)
    record Click(
            @JsonProperty("user_id") String userId,
            @JsonProperty("page_url") String pageUrl,
            @JsonProperty("action") String action,
            @JsonProperty("timestamp") long timestamp) {}

    /** A click with the id that its place in the topic gives it; never serialized. */
    record IdentifiedClick(String eventId, Click click) {}

    @JsonIgnoreProperties(ignoreUnknown = true)
    record Profile(
            @JsonProperty("user_id") String userId,
            @JsonProperty("name") String name,
            @JsonProperty("email") String email,
            @JsonProperty("country") String country,
            @JsonProperty("plan_tier") String planTier) {}

    @JsonPropertyOrder({"event_id", "user_id", "user_name", "country", "plan_tier", "page_url", "action", "timestamp"})
    record EnrichedClick(
            @JsonProperty("event_id") String eventId,
            @JsonProperty("user_id") String userId,
            @JsonProperty("user_name") String userName,
            @JsonProperty("country") String country,
            @JsonProperty("plan_tier") String planTier,
            @JsonProperty("page_url") String pageUrl,
            @JsonProperty("action") String action,
            @JsonProperty("timestamp") long timestamp) {

        /** Joins; a click of a left join may have no profile. */
        static EnrichedClick of(IdentifiedClick identified, Profile profile) {
            Click click = identified.click();
            return new EnrichedClick(
                    identified.eventId(),
                    click.userId(),
                    profile == null ? null : profile.name(),
                    profile == null ? null : profile.country(),
                    profile == null ? null : profile.planTier(),
                    click.pageUrl(),
                    click.action(),
                    click.timestamp());
        }
    }

    @JsonPropertyOrder({"user_id", "window_start", "window_end", "clicks"})
    record UserMetrics(
            @JsonProperty("user_id") String userId,
            @JsonProperty("window_start") long windowStart,
            @JsonProperty("window_end") long windowEnd,
            @JsonProperty("clicks") long clicks) {}

    static <T> Serde<T> serde(Class<T> type) {
        ObjectWriter writer = JSON.writerFor(type);
        ObjectReader reader = JSON.readerFor(type);
        Serializer<T> serializer = (topic, value) -> {
            try {
                return value == null ? null : writer.writeValueAsBytes(value);
            } catch (IOException e) {
                throw new SerializationException(e);
            }
        };
        Deserializer<T> deserializer = (topic, bytes) -> {
            try {
                return bytes == null ? null : reader.readValue(bytes);
            } catch (IOException e) {
                throw new SerializationException(e);
            }
        };
        return Serdes.serdeFrom(serializer, deserializer);
    }
}
