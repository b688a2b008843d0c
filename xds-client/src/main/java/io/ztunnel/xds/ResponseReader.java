package io.ztunnel.xds;

import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.WireFormat;
import io.netty.buffer.ByteBuf;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Reads the responses of a stream while their bytes come, field by field: no more is held than one
 * field that is not complete. Confined to the {@code xds} thread.
 *
 * <p>Source: gRPC's length-prefixed messages (gRPC over HTTP/2) of {@code DeltaDiscoveryResponse}
 * (resources = 2, type_url = 4, nonce = 5, removed_resources = 6; the other fields are ignored).
 */
final class ResponseReader {
  /** Limit of one field, which is one resource at most. */
  static final int MAX_FIELD_BYTES = 32 << 20;

  /** A byte that says whether the message is compressed, and its length. */
  private static final int PREFIX_BYTES = 5;

  private static final int BETWEEN_MESSAGES = -1;
  private static final int INCOMPLETE = -1;
  private static final int MAX_VARINT_BYTES = 10;

  // The fields, all of them length-delimited.
  private static final int RESOURCE = 2 << 3 | WireFormat.WIRETYPE_LENGTH_DELIMITED;
  private static final int TYPE_URL = 4 << 3 | WireFormat.WIRETYPE_LENGTH_DELIMITED;
  private static final int NONCE = 5 << 3 | WireFormat.WIRETYPE_LENGTH_DELIMITED;
  private static final int REMOVED = 6 << 3 | WireFormat.WIRETYPE_LENGTH_DELIMITED;

  private static final int CAPACITY = 64 << 10;

  /**
   * What a response says beside its resources. Immutable.
   *
   * @param resources how many there were
   */
  record Summary(String typeUrl, String nonce, int resources, List<String> removed) {
    Summary {
      removed = List.copyOf(removed);
    }
  }

  /** Takes what was read, on the thread that reads. */
  interface Sink {
    /** A resource, whose envelope is not read yet. It is valid until this returns. */
    void onResource(Resource resource) throws IOException;

    /** The end of a response. */
    void onEnd(Summary summary) throws IOException;
  }

  private final Sink sink;

  /** The prefix of a message, or the message from the first field on that is not complete. */
  private byte[] held = new byte[CAPACITY];

  private int length;

  /** What is not in {@link #held} yet of the message. */
  private long missing = BETWEEN_MESSAGES;

  private String typeUrl = "";
  private String nonce = "";
  private int resources;
  private final List<String> removed = new ArrayList<>(0);

  ResponseReader(Sink sink) {
    this.sink = sink;
  }

  /**
   * Reads up to the end of a response or of the bytes, whichever comes first.
   *
   * @return whether a response has ended
   * @throws IOException if the response is broken as a whole; nothing can be read after that
   */
  boolean read(ByteBuf bytes) throws IOException {
    if (missing == BETWEEN_MESSAGES) {
      take(bytes, PREFIX_BYTES - length);
      if (length < PREFIX_BYTES) {
        return false;
      }
      begin();
    }
    while (missing > 0 && bytes.isReadable()) {
      if (length == held.length) {
        held = Arrays.copyOf(held, 2 * held.length);
      }
      missing -= take(bytes, (int) Math.min(held.length - length, missing));
      readFields();
    }
    if (missing > 0) {
      return false;
    }
    end();
    return true;
  }

  private int take(ByteBuf bytes, int most) {
    int count = Math.min(bytes.readableBytes(), most);
    bytes.readBytes(held, length, count);
    length += count;
    return count;
  }

  private void begin() throws IOException {
    if (held[0] != 0) {
      throw new InvalidProtocolBufferException(
          "a compressed message (expected: none, for none was asked for)");
    }
    missing = 0;
    for (int i = 1; i < PREFIX_BYTES; i++) {
      missing = (missing << Byte.SIZE) | Byte.toUnsignedInt(held[i]);
    }
    length = 0;
    typeUrl = "";
    nonce = "";
    resources = 0;
    removed.clear();
  }

  private void end() throws IOException {
    if (length > 0) {
      throw new InvalidProtocolBufferException("the message ends within a field");
    }
    missing = BETWEEN_MESSAGES;
    if (held.length > CAPACITY) {
      held = new byte[CAPACITY];
    }
    Summary summary = new Summary(typeUrl, nonce, resources, removed);
    removed.clear();
    sink.onEnd(summary);
  }

  /** Reads the fields that are complete, and keeps the rest. */
  private void readFields() throws IOException {
    int begin = 0;
    for (int end = readField(begin); end != INCOMPLETE; end = readField(begin)) {
      begin = end;
    }
    length -= begin;
    System.arraycopy(held, begin, held, 0, length);
  }

  /** Reads a field, and returns where the next one begins. */
  private int readField(int begin) throws IOException {
    int tagEnd = varintEnd(begin);
    if (tagEnd == INCOMPLETE) {
      return INCOMPLETE;
    }
    int tag = (int) varint(begin, tagEnd);
    int wireType = WireFormat.getTagWireType(tag);
    return switch (wireType) {
      case WireFormat.WIRETYPE_LENGTH_DELIMITED -> readDelimited(tag, tagEnd);
      case WireFormat.WIRETYPE_VARINT -> varintEnd(tagEnd);
      case WireFormat.WIRETYPE_FIXED32 -> ifComplete(tagEnd + Integer.BYTES);
      case WireFormat.WIRETYPE_FIXED64 -> ifComplete(tagEnd + Long.BYTES);
      default ->
          throw new InvalidProtocolBufferException(
              "field %d: wire type %d (expected: 0, 1, 2 or 5)"
                  .formatted(WireFormat.getTagFieldNumber(tag), wireType));
    };
  }

  private int readDelimited(int tag, int lengthBegin) throws IOException {
    int lengthEnd = varintEnd(lengthBegin);
    if (lengthEnd == INCOMPLETE) {
      return INCOMPLETE;
    }
    long size = varint(lengthBegin, lengthEnd);
    if (size < 0 || size > MAX_FIELD_BYTES || size > length - lengthEnd + missing) {
      throw new InvalidProtocolBufferException(
          "a field of %s bytes (expected: at most %d, and no more than the message has left)"
              .formatted(Long.toUnsignedString(size), MAX_FIELD_BYTES));
    }
    int begin = lengthEnd;
    int end = begin + (int) size;
    if (end > length) {
      return INCOMPLETE;
    }
    switch (tag) {
      case RESOURCE -> {
        resources++;
        sink.onResource(new Resource(held, begin, (int) size));
      }
      case TYPE_URL -> typeUrl = text(begin, end);
      case NONCE -> nonce = text(begin, end);
      case REMOVED -> removed.add(text(begin, end));
      default -> {} // not needed
    }
    return end;
  }

  private int ifComplete(int end) {
    return end <= length ? end : INCOMPLETE;
  }

  private int varintEnd(int begin) throws IOException {
    for (int i = begin; i < length; i++) {
      if (held[i] >= 0) {
        return i + 1;
      }
      if (i - begin == MAX_VARINT_BYTES - 1) {
        throw new InvalidProtocolBufferException("a number of more than ten bytes");
      }
    }
    return INCOMPLETE;
  }

  private long varint(int begin, int end) {
    long value = 0;
    for (int i = end - 1; i >= begin; i--) {
      value = (value << 7) | (held[i] & 0x7f);
    }
    return value;
  }

  private String text(int begin, int end) throws IOException {
    ByteString bytes = ByteString.copyFrom(held, begin, end - begin);
    if (!bytes.isValidUtf8()) {
      throw new InvalidProtocolBufferException("a text that is not UTF-8");
    }
    return bytes.toStringUtf8();
  }
}
