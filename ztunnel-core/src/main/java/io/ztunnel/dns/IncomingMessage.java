package io.ztunnel.dns;

import org.jspecify.annotations.Nullable;

/** What somebody sent to a DNS server, judged in the order of Istio. Immutable. */
sealed interface IncomingMessage {
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
    Question question = null;
    Edns edns = null;
    int questions;
    try {
      questions = reader.unsignedShort();
      int records = reader.unsignedShort() + reader.unsignedShort();
      int additionals = reader.unsignedShort();
      for (int i = 0; i < questions; i++) {
        question = reader.question();
      }
      for (int i = 0; i < records; i++) {
        ResourceRecord _ = reader.record();
      }
      for (int i = 0; i < additionals; i++) {
        edns = merge(edns, reader.record());
      }
    } catch (MalformedMessageException _) {
      return new Refused(head, null, ResponseCode.FORMAT_ERROR);
    }
    if (questions != 1) {
      question = null;
    }
    if (head.opcode() != 0) {
      return new Refused(head, question, ResponseCode.NOT_IMPLEMENTED);
    }
    return question == null
        ? new Refused(head, null, ResponseCode.SERVER_FAILURE)
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
