package dev.clickstream.connect.document;

import org.apache.kafka.connect.sink.SinkRecord;

/**
 * Holds a document on its way: the two lines of a bulk request that index it, without their line ends.
 *
 * @param record where it came from
 * @param id the document's id
 * @param action UTF-8 JSON that names index and id
 * @param source UTF-8 JSON of the document, without a line feed
 */
public record Document(SinkRecord record, String id, byte[] action, byte[] source) {
  /** Bytes it takes in a bulk request. */
  public int size() {
    return action.length + source.length + 2;
  }
}
