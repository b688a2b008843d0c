package io.ztunnel.dns;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What a name server answered, checked to be the answer to our question. Immutable.
 *
 * @param truncated if true the records are left out: the answer is to be had by TCP
 */
record UpstreamMessage(
    int code,
    boolean truncated,
    List<ResourceRecord> answers,
    List<ResourceRecord> authorities,
    List<ResourceRecord> additionals) {
  private static final int RESPONSE = 0x8000;
  private static final int OPCODE = 0x7800;
  private static final int TRUNCATED = 0x0200;
  private static final int RECURSION_DESIRED = 0x0100;

  UpstreamMessage {
    answers = List.copyOf(answers);
    authorities = List.copyOf(authorities);
    additionals = List.copyOf(additionals);
  }

  /** The message that asks. */
  static byte[] request(int id, Question question, boolean edns) {
    MessageWriter writer = new MessageWriter(MessageWriter.MAX_BYTES);
    writer.number16(id).number16(RECURSION_DESIRED);
    writer.number16(1).number16(0).number16(0).number16(edns ? 1 : 0);
    writer.question(question);
    if (edns) {
      writer.edns(Edns.OURS);
    }
    return writer.message();
  }

  /**
   * Reads what should be the answer.
   *
   * @param question in lower case
   * @throws MalformedMessageException also if it is well formed, but no answer to this
   */
  static UpstreamMessage read(byte[] message, int id, Question question)
      throws MalformedMessageException {
    MessageReader reader = new MessageReader(message);
    int gotId = reader.unsignedShort();
    int flags = reader.unsignedShort();
    int questions = reader.unsignedShort();
    int[] counts = {reader.unsignedShort(), reader.unsignedShort(), reader.unsignedShort()};
    int code = flags & 0xf;
    if (gotId != id) {
      throw new MalformedMessageException("id %d (expected: %d)".formatted(gotId, id));
    }
    if ((flags & (RESPONSE | OPCODE)) != RESPONSE) {
      throw new MalformedMessageException("flags 0x%x (expected: a response)".formatted(flags));
    }
    // A server that could not read the question cannot repeat it.
    boolean unread =
        questions == 0 && code != ResponseCode.NO_ERROR && code != ResponseCode.NAME_ERROR;
    if (!unread) {
      Question got = questions == 1 ? reader.question().normal() : null;
      if (!question.equals(got)) {
        throw new MalformedMessageException(
            "answers %s (expected: %s)".formatted(got == null ? questions : got, question));
      }
    }
    if ((flags & TRUNCATED) != 0) {
      return new UpstreamMessage(code, true, List.of(), List.of(), List.of());
    }
    List<List<ResourceRecord>> sections = new ArrayList<>();
    for (int count : counts) {
      List<ResourceRecord> section = new ArrayList<>();
      for (int i = 0; i < count; i++) {
        section.add(reader.record());
      }
      sections.add(section);
    }
    return new UpstreamMessage(
        extended(code, sections.get(2)),
        false,
        sections.get(0),
        sections.get(1),
        sections.get(2).stream().filter(record -> record.type() != RecordType.OPT).toList());
  }

  /** A code of more than four bits is one that no client of ours has to know. */
  private static int extended(int code, List<ResourceRecord> additionals) {
    boolean extended =
        additionals.stream()
            .anyMatch(
                record ->
                    record.type() == RecordType.OPT && Edns.extendedCode(record.ttlSeconds()) != 0);
    return extended ? ResponseCode.SERVER_FAILURE : code;
  }

  /** True for an answer that says how things are, and not that the server has trouble. */
  boolean isConclusive() {
    return code == ResponseCode.NO_ERROR || code == ResponseCode.NAME_ERROR;
  }

  /** The record that says for how long an absence may be remembered. */
  @Nullable ResourceRecord startOfAuthority() {
    for (ResourceRecord record : authorities) {
      if (record.type() == RecordType.SOA) {
        return record;
      }
    }
    return null;
  }
}
