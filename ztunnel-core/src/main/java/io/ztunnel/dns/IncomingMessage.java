package io.ztunnel.dns;

import org.jspecify.annotations.Nullable;

/**
 * What somebody sent to a DNS server, judged in the order of Istio, except that a message of no or
 * several questions is not read any further. Immutable.
 */
sealed interface IncomingMessage {
  /** A question is much shorter; what is longer is not read, however it comes. */
  int MAX_BYTES = 4096;

  /** Nothing that could be answered: no header, or an answer itself. */
  record Ignored() implements IncomingMessage {}

  /** To be answered by an error code, with the question if it can be repeated. */
  record Refused(Query.Head head, @Nullable Question question, int code)
      implements IncomingMessage {}

  /** A question. */
  record Asked(Query query) implements IncomingMessage {}

  static IncomingMessage read(byte[] message) {
    if (message.length < MessageReader.HEADER_BYTES) {
      return new Ignored();
    }
    MessageReader reader = new MessageReader(message);
    try {
      int id = reader.unsignedShort();
      int flags = reader.unsignedShort();
      return (flags & 0x8000) != 0 ? new Ignored() : read(reader, Query.Head.of(id, flags));
    } catch (MalformedMessageException e) {
      throw new IllegalStateException(e); // the header is there
    }
  }

  private static IncomingMessage read(MessageReader reader, Query.Head head) {
    Question question;
    Edns edns = null;
    try {
      if (reader.unsignedShort() != 1) {
        int code = head.opcode() != 0 ? ResponseCode.NOT_IMPLEMENTED : ResponseCode.SERVER_FAILURE;
        return new Refused(head, null, code);
      }
      int records = reader.unsignedShort() + reader.unsignedShort();
      int additionals = reader.unsignedShort();
      question = reader.question();
      for (int i = 0; i < records; i++) {
        ResourceRecord _ = reader.record();
      }
      for (int i = 0; i < additionals; i++) {
        edns = merge(edns, reader.record());
      }
    } catch (MalformedMessageException _) {
      return new Refused(head, null, ResponseCode.FORMAT_ERROR);
    }
    return head.opcode() != 0
        ? new Refused(head, question, ResponseCode.NOT_IMPLEMENTED)
        : new Asked(new Query(head, question, edns));
  }

  private static @Nullable Edns merge(@Nullable Edns edns, ResourceRecord record)
      throws MalformedMessageException {
    if (record.type() != RecordType.OPT) {
      return edns;
    }
    if (edns != null) {
      throw new MalformedMessageException("two OPT records (expected: one)"); // RFC 6891, 6.1.1
    }
    return Edns.of(record.dnsClass(), record.ttlSeconds());
  }
}
