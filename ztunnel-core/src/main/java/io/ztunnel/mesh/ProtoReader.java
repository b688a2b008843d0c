package io.ztunnel.mesh;

import com.google.protobuf.CodedInputStream;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.WireFormat;
import java.io.IOException;
import java.util.function.IntConsumer;

/**
 * One protobuf message in a part of an array, read field by field. Unknown fields are skipped; a
 * known field in a form that it cannot have is refused. Confined to the thread that uses it.
 */
final class ProtoReader {
  private final byte[] bytes;
  private final int start;
  private final CodedInputStream in;
  private final StringCache strings;

  ProtoReader(byte[] bytes, int offset, int length, StringCache strings) {
    this.bytes = bytes;
    this.start = offset;
    this.strings = strings;
    in = CodedInputStream.newInstance(bytes, offset, length);
  }

  /** Reads one field of a message, or skips it. */
  interface Fields {
    /** The tag's upper bits are the field's number; see {@link #field}. */
    void read(ProtoReader in, int tag) throws IOException;
  }

  static int field(int tag) {
    return WireFormat.getTagFieldNumber(tag);
  }

  /** Reads all fields up to the end of the message. */
  void all(Fields fields) throws IOException {
    for (int tag = in.readTag(); tag != 0; tag = in.readTag()) {
      fields.read(this, tag);
    }
    if (!in.isAtEnd() || in.getBytesUntilLimit() > 0) {
      throw new InvalidProtocolBufferException("the message ends within a field");
    }
  }

  /** Reads a message within this one. */
  void message(int tag, Fields fields) throws IOException {
    expect(tag, WireFormat.WIRETYPE_LENGTH_DELIMITED);
    int outer = in.pushLimit(in.readRawVarint32());
    all(fields);
    in.popLimit(outer);
  }

  /** A text that other messages are likely to have too. */
  String string(int tag) throws IOException {
    expect(tag, WireFormat.WIRETYPE_LENGTH_DELIMITED);
    int length = in.readRawVarint32();
    int offset = start + in.getTotalBytesRead();
    in.skipRawBytes(length); // refuses a length beyond the message
    return length == 0 ? "" : strings.text(bytes, offset, length);
  }

  /** A text that no other message has. */
  String ownString(int tag) throws IOException {
    expect(tag, WireFormat.WIRETYPE_LENGTH_DELIMITED);
    return in.readStringRequireUtf8();
  }

  byte[] bytes(int tag) throws IOException {
    expect(tag, WireFormat.WIRETYPE_LENGTH_DELIMITED);
    return in.readByteArray();
  }

  boolean flag(int tag) throws IOException {
    expect(tag, WireFormat.WIRETYPE_VARINT);
    return in.readBool();
  }

  /** An enum's number or an unsigned one. */
  int number(int tag) throws IOException {
    expect(tag, WireFormat.WIRETYPE_VARINT);
    return in.readRawVarint32();
  }

  /** Repeated numbers, packed or one by one. */
  void numbers(int tag, IntConsumer action) throws IOException {
    if (WireFormat.getTagWireType(tag) != WireFormat.WIRETYPE_LENGTH_DELIMITED) {
      action.accept(number(tag));
      return;
    }
    int outer = in.pushLimit(in.readRawVarint32());
    while (in.getBytesUntilLimit() > 0) {
      action.accept(in.readRawVarint32());
    }
    in.popLimit(outer);
  }

  void skip(int tag) throws IOException {
    if (!in.skipField(tag)) {
      throw new InvalidProtocolBufferException("a group ends that did not begin");
    }
  }

  private static void expect(int tag, int wireType) throws IOException {
    int found = WireFormat.getTagWireType(tag);
    if (found != wireType) {
      throw new InvalidProtocolBufferException(
          "field %d: wire type %d (expected: %d)".formatted(field(tag), found, wireType));
    }
  }
}
