/* Consumes clicks and produces them as they came, in transactions of 100 ms, with no processing: the client's limit in C.
 *
 * Arguments: bootstrap servers, group and transactional id, input topic, output topic. Ends at SIGTERM. It is linked
 * with the librdkafka of the Python client's wheel, which has no headers: rdkafka_used.h has what is used here.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "rdkafka_used.h"

#define CHUNK 1000
#define COMMIT_MS 100

static volatile sig_atomic_t ended;

static void end(int number) { (void)number; ended = 1; }

static long now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000L + now.tv_nsec / 1000000L;
}

static void fail(const char *what, const char *why) {
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

/* Ends the program when an operation of a transaction failed. */
static void must(const char *what, rd_kafka_error_t *error) {
    if (error) fail(what, rd_kafka_error_string(error));
}

static void set(rd_kafka_conf_t *conf, const char *name, const char *value) {
    char why[512];
    if (rd_kafka_conf_set(conf, name, value, why, sizeof why)) fail(name, why);
}

static rd_kafka_t *client(int type, rd_kafka_conf_t *conf) {
    char why[512];
    rd_kafka_t *made = rd_kafka_new(type, conf, why, sizeof why);
    if (!made) fail("client", why);
    return made;
}

static rd_kafka_t *consumer_of(const char *bootstrap, const char *name, const char *clicks) {
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", bootstrap);
    set(conf, "group.id", name);
    set(conf, "auto.offset.reset", "earliest");
    set(conf, "enable.auto.commit", "false");
    set(conf, "isolation.level", "read_committed");
    set(conf, "fetch.queue.backoff.ms", "20");
    rd_kafka_t *consumer = client(RD_KAFKA_CONSUMER, conf);
    rd_kafka_poll_set_consumer(consumer);
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, clicks, RD_KAFKA_PARTITION_UA);
    int error = rd_kafka_subscribe(consumer, topics);
    if (error) fail("subscribe", rd_kafka_err2str(error));
    rd_kafka_topic_partition_list_destroy(topics);
    return consumer;
}

static rd_kafka_t *producer_of(const char *bootstrap, const char *name) {
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", bootstrap);
    set(conf, "transactional.id", name);
    set(conf, "linger.ms", "5");
    rd_kafka_t *producer = client(RD_KAFKA_PRODUCER, conf);
    must("init", rd_kafka_init_transactions(producer, 60000));
    return producer;
}

static void copy(rd_kafka_t *producer, const char *copies, const rd_kafka_message_t *message) {
    int error;
    while ((error = rd_kafka_producev(producer,
                RD_KAFKA_VTYPE_TOPIC, copies,
                RD_KAFKA_VTYPE_PARTITION, message->partition,
                RD_KAFKA_VTYPE_MSGFLAGS, RD_KAFKA_MSG_F_COPY,
                RD_KAFKA_VTYPE_KEY, message->key, message->key_len,
                RD_KAFKA_VTYPE_VALUE, message->payload, message->len,
                RD_KAFKA_VTYPE_TIMESTAMP, rd_kafka_message_timestamp(message, NULL),
                RD_KAFKA_VTYPE_END)) == RD_KAFKA_RESP_ERR__QUEUE_FULL)
        rd_kafka_poll(producer, 10);
    if (error) fail("produce", rd_kafka_err2str(error));
}

static void commit(rd_kafka_t *producer, rd_kafka_t *consumer) {
    rd_kafka_topic_partition_list_t *places;
    int error = rd_kafka_assignment(consumer, &places);
    if (!error) error = rd_kafka_position(consumer, places);
    if (error) fail("position", rd_kafka_err2str(error));
    rd_kafka_consumer_group_metadata_t *group = rd_kafka_consumer_group_metadata(consumer);
    must("offsets", rd_kafka_send_offsets_to_transaction(producer, places, group, 60000));
    must("commit", rd_kafka_commit_transaction(producer, 60000));
    rd_kafka_consumer_group_metadata_destroy(group);
    rd_kafka_topic_partition_list_destroy(places);
}

int main(int count, char **arguments) {
    if (count != 5) fail("arguments", "bootstrap servers, name, input topic, output topic");
    signal(SIGTERM, end);
    rd_kafka_t *consumer = consumer_of(arguments[1], arguments[2], arguments[3]);
    rd_kafka_t *producer = producer_of(arguments[1], arguments[2]);
    rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(consumer);
    rd_kafka_message_t *messages[CHUNK];
    long open_since_ms = 0;
    while (!ended) {
        long number = rd_kafka_consume_batch_queue(queue, 50, messages, CHUNK);
        if (number > 0 && !open_since_ms) {
            must("begin", rd_kafka_begin_transaction(producer));
            open_since_ms = now_ms();
        }
        for (long each = 0; each < number; each++) {
            if (!messages[each]->err) copy(producer, arguments[4], messages[each]);
            rd_kafka_message_destroy(messages[each]);
        }
        rd_kafka_poll(producer, 0);
        if (open_since_ms && now_ms() - open_since_ms >= COMMIT_MS) {
            commit(producer, consumer);
            open_since_ms = 0;
        }
    }
    rd_kafka_queue_destroy(queue);
    rd_kafka_consumer_close(consumer);
    return 0;
}
