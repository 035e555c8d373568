/* What c_copy.c uses of librdkafka's C interface, which is stable since version 1: the wheel has the library alone. */
#include <stddef.h>
#include <stdint.h>

enum { RD_KAFKA_PRODUCER = 0, RD_KAFKA_CONSUMER = 1 };
enum { RD_KAFKA_RESP_ERR__QUEUE_FULL = -184, RD_KAFKA_PARTITION_UA = -1, RD_KAFKA_MSG_F_COPY = 2 };
enum {
    RD_KAFKA_VTYPE_END = 0,
    RD_KAFKA_VTYPE_TOPIC = 1,
    RD_KAFKA_VTYPE_PARTITION = 3,
    RD_KAFKA_VTYPE_VALUE = 4,
    RD_KAFKA_VTYPE_KEY = 5,
    RD_KAFKA_VTYPE_MSGFLAGS = 7,
    RD_KAFKA_VTYPE_TIMESTAMP = 8
};

typedef struct rd_kafka_s rd_kafka_t;
typedef struct rd_kafka_conf_s rd_kafka_conf_t;
typedef struct rd_kafka_queue_s rd_kafka_queue_t;
typedef struct rd_kafka_error_s rd_kafka_error_t;
typedef struct rd_kafka_topic_partition_list_s rd_kafka_topic_partition_list_t;
typedef struct rd_kafka_consumer_group_metadata_s rd_kafka_consumer_group_metadata_t;

typedef struct {
    int err;
    void *rkt;
    int32_t partition;
    void *payload;
    size_t len;
    void *key;
    size_t key_len;
    int64_t offset;
    void *_private;
} rd_kafka_message_t;

rd_kafka_conf_t *rd_kafka_conf_new(void);
int rd_kafka_conf_set(rd_kafka_conf_t *conf, const char *name, const char *value, char *why, size_t why_size);
rd_kafka_t *rd_kafka_new(int type, rd_kafka_conf_t *conf, char *why, size_t why_size);
int rd_kafka_poll(rd_kafka_t *client, int timeout_ms);
const char *rd_kafka_err2str(int error);
const char *rd_kafka_error_string(const rd_kafka_error_t *error);

rd_kafka_topic_partition_list_t *rd_kafka_topic_partition_list_new(int size);
void *rd_kafka_topic_partition_list_add(rd_kafka_topic_partition_list_t *list, const char *topic, int32_t partition);
void rd_kafka_topic_partition_list_destroy(rd_kafka_topic_partition_list_t *list);

int rd_kafka_poll_set_consumer(rd_kafka_t *client);
int rd_kafka_subscribe(rd_kafka_t *client, const rd_kafka_topic_partition_list_t *topics);
int rd_kafka_assignment(rd_kafka_t *client, rd_kafka_topic_partition_list_t **list);
int rd_kafka_position(rd_kafka_t *client, rd_kafka_topic_partition_list_t *list);
int rd_kafka_consumer_close(rd_kafka_t *client);
rd_kafka_queue_t *rd_kafka_queue_get_consumer(rd_kafka_t *client);
void rd_kafka_queue_destroy(rd_kafka_queue_t *queue);
long rd_kafka_consume_batch_queue(rd_kafka_queue_t *queue, int timeout_ms, rd_kafka_message_t **messages, size_t size);
int64_t rd_kafka_message_timestamp(const rd_kafka_message_t *message, int *type);
void rd_kafka_message_destroy(rd_kafka_message_t *message);

int rd_kafka_producev(rd_kafka_t *client, ...);
rd_kafka_error_t *rd_kafka_init_transactions(rd_kafka_t *client, int timeout_ms);
rd_kafka_error_t *rd_kafka_begin_transaction(rd_kafka_t *client);
rd_kafka_error_t *rd_kafka_send_offsets_to_transaction(
    rd_kafka_t *client, const rd_kafka_topic_partition_list_t *places, const rd_kafka_consumer_group_metadata_t *group, int timeout_ms);
rd_kafka_error_t *rd_kafka_commit_transaction(rd_kafka_t *client, int timeout_ms);
rd_kafka_consumer_group_metadata_t *rd_kafka_consumer_group_metadata(rd_kafka_t *client);
void rd_kafka_consumer_group_metadata_destroy(rd_kafka_consumer_group_metadata_t *group);
