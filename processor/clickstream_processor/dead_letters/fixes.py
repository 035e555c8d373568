"""How to fix what makes a dead letter: one paragraph a reason, as the page shows it. Pure."""

from clickstream_processor.dead_letters.headers import UNKNOWN_REASON
from clickstream_processor.topology.records.records import Reason

FIXES: dict[str, str] = {
    Reason.NOT_JSON: (
        "The value is not a JSON object in UTF-8. Look at the first bytes: a schema-registry frame begins "
        "with 00, gzip with 1f 8b, a byte order mark with ef bb bf. Let the producer send plain JSON."
    ),
    Reason.MISSING_FIELD: (
        "A click needs user_id, page_url, action and timestamp; the detail names what it lacks. Most often "
        "a new release of a producer renamed a field. Correct the producer, then replay these letters with "
        "set: to fill the field."
    ),
    Reason.MISTYPED_FIELD: (
        "A field has another type than a click needs: texts for user_id, page_url and action, whole "
        "milliseconds for timestamp. The detail names it. Correct the producer, then replay these letters "
        "with set: to convert the field."
    ),
    Reason.IMPLAUSIBLE_TIME: (
        "The timestamp is no time in milliseconds since 1970; the detail says if it looks like seconds, "
        "microseconds or nanoseconds. Correct the producer's unit, or the device's clock, then replay with "
        "set: to convert it."
    ),
    Reason.NULL_KEY: (
        "The record has no key. Let the producer set the key to user_id, or make a pipeline with "
        "topics.partitioner: any. A replay sends these clicks with their user_id as the key."
    ),
    Reason.KEY_MISMATCH: (
        "The record's key is not the click's user_id. Let the producer set the key to user_id, or make a "
        "pipeline with topics.partitioner: any. A replay sends these clicks with their user_id as the key."
    ),
    Reason.WRONG_PARTITION: (
        "The producer uses another partitioner. Set murmur2: partitioner=murmur2_random for librdkafka, "
        "Partitioners.DefaultPartitioner for kafkajs. Or make a pipeline with topics.partitioner: any. A "
        "replay sends these clicks to the right partition."
    ),
    Reason.OVERSIZED: (
        "The click has more than 64 KiB, its key more than 1 KiB, or the document more than the search "
        "engine takes. Let the producer send less: a large payload belongs elsewhere, with a link in the "
        "click. A replay cannot help."
    ),
    Reason.TOO_FAR_IN_FUTURE: (
        "The timestamp is further beyond the record's time than processing.maxFuture allows. Correct the "
        "sender's clock or its unit. If such times are right, raise maxFuture; then replay these letters."
    ),
    Reason.EXPRESSION_ERROR: (
        "The filter or an expression of transform.set failed on this click; the detail says which and why. "
        "Guard it, as in has(click.price) ? click.price : 0. Apply the pipeline, then replay these letters."
    ),
    Reason.LATE: (
        "The click came when all of its windows were closed. It is searchable, only not counted. If clicks "
        "are often so late, raise processing.window.grace. A replay leaves these letters out, unless it "
        "asks for them."
    ),
    Reason.UNMATCHED: (
        "The profile table has no row of this user, and the join is inner. Add the row, or correct the "
        "user_id, then replay these letters. With join.type: left such clicks go on, with nulls."
    ),
    Reason.UNKNOWN_PLACE: (
        "Somebody else wrote to the pipeline's internal topic of arrivals. Find that program and let it "
        "write to the clicks topic. An ACL on the internal topics keeps others out."
    ),
    Reason.PROCESSING_FAILED: (
        "The pod failed on this click for a reason without a name of its own; the detail has the error, and "
        "the pod's log at that time its trace. Please report it. After an upgrade that corrects it, replay "
        "these letters."
    ),
    Reason.OUTPUT_REFUSED: (
        "What the click becomes is larger than its topic takes, or has a time that the topic refuses. Raise "
        "the topic's max.message.bytes, or drop fields with transform.drop; then replay these letters."
    ),
    Reason.PROFILE_REFUSED: (
        "This is no click but a row of the profile table; the detail says what is wrong with it. Correct "
        "the row: the change comes by itself. A replay leaves these letters out."
    ),
    "too-old": (
        "The search sink keeps no document of a day this long ago: its index would be dropped at once. If "
        "the click's time is right, nothing is to be done, or raise sink.search.retention. A replay leaves "
        "letters of the sink out."
    ),
    "rejected": (
        "The search engine refused the document; the detail is its own message. Most often a field has "
        "another type than the index. Correct transform.set, or the index's mapping. A replay leaves "
        "letters of the sink out."
    ),
    UNKNOWN_REASON: (
        "No header says why. Somebody other than this pipeline may have written the record, or a sink of "
        "another kind: look at its headers."
    ),
}


def fix_of(reason: str) -> str:
    """Return what to do about a reason; words for any reason that this version does not know."""
    return FIXES.get(reason, "This version of the pods does not know the reason. The detail says more.")
