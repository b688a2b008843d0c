package io.ztunnel.dns;

import java.util.List;
import org.jspecify.annotations.Nullable;

/** Puts replies into messages. Stateless. */
final class ReplyMessage {
  private static final int AUTHORITATIVE = 0x0400;
  private static final int TRUNCATED = 0x0200;
  private static final int RECURSION_AVAILABLE = 0x0080;

  /** The largest datagram that IP can carry. */
  private static final int MAX_DATAGRAM = 65_507;

  private ReplyMessage() {}

  /** How long a datagram can be: as the client said, or what it must take (RFC 1035, 4.2.1). */
  static int datagramBytes(Query query) {
    Edns edns = query.edns();
    return edns == null
        ? Edns.MIN_PAYLOAD_BYTES
        : Math.min(MAX_DATAGRAM, edns.answering().payloadBytes());
  }

  static byte[] datagram(Query query, Reply reply) {
    return write(query, reply, datagramBytes(query));
  }

  /** For a TCP connection, without its length prefix. */
  static byte[] stream(Query query, Reply reply) {
    return write(query, reply, MessageWriter.MAX_BYTES);
  }

  static byte[] refusal(IncomingMessage.Refused refused) {
    return failed(refused.head(), refused.question(), refused.code());
  }

  private static byte[] write(Query query, Reply reply, int limit) {
    return switch (reply) {
      case Reply.Failed(int code) -> failed(query.head(), query.question(), code);
      case Reply.Found found -> found(query, found, limit);
    };
  }

  private static byte[] failed(Query.Head head, @Nullable Question question, int code) {
    MessageWriter writer = new MessageWriter(MessageWriter.MAX_BYTES);
    writer.number16(head.id()).number16(head.responseFlags() | (code & 0xf));
    writer.number16(question == null ? 0 : 1).number16(0).number16(0).number16(0);
    if (question != null) {
      writer.question(question);
    }
    return writer.message();
  }

  /**
   * As many whole answers as fit; if some do not, that is told, and no additional records are sent,
   * which may be left out untold (RFC 2181, 9).
   */
  private static byte[] found(Query query, Reply.Found found, int limit) {
    Edns edns = query.edns();
    int keepFree = edns == null ? 0 : MessageWriter.OPT_BYTES;
    MessageWriter writer = new MessageWriter(limit);
    writer.number16(query.head().id()).number16(0);
    writer.number16(1).number16(0).number16(0).number16(0);
    writer.question(query.question());
    int answers = fitting(writer, found.answers(), keepFree);
    boolean truncated = answers < found.answers().size();
    int additionals = truncated ? 0 : fitting(writer, found.additionals(), keepFree);
    if (edns != null) {
      writer.edns(edns.answering());
    }
    int authority =
        switch (found.source()) {
          case MESH -> AUTHORITATIVE;
          case UPSTREAM -> 0;
        };
    writer.number16At(
        2,
        query.head().responseFlags()
            | RECURSION_AVAILABLE
            | authority
            | (truncated ? TRUNCATED : 0));
    writer.number16At(6, answers);
    writer.number16At(10, additionals + (edns == null ? 0 : 1));
    return writer.message();
  }

  private static int fitting(MessageWriter writer, List<ResourceRecord> records, int keepFree) {
    int count = 0;
    while (count < records.size() && writer.record(records.get(count), keepFree)) {
      count++;
    }
    return count;
  }
}
