package io.ztunnel.xds;

import com.google.protobuf.CodedInputStream;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.WireFormat;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * One resource of a response. Belongs to the {@code xds} thread; valid only while it is handed
 * over.
 *
 * <p>Source: Envoy's {@code Resource} (version = 1, resource = 2, name = 3, aliases = 4); the other
 * fields are ignored, as in Istio. The type that the payload claims is not looked at (Istio).
 */
public final class Resource {
  private static final int VERSION = 1 << 3 | WireFormat.WIRETYPE_LENGTH_DELIMITED;
  private static final int PAYLOAD = 2 << 3 | WireFormat.WIRETYPE_LENGTH_DELIMITED;
  private static final int NAME = 3 << 3 | WireFormat.WIRETYPE_LENGTH_DELIMITED;
  private static final int ALIAS = 4 << 3 | WireFormat.WIRETYPE_LENGTH_DELIMITED;

  // google.protobuf.Any
  private static final int ANY_VALUE = 2 << 3 | WireFormat.WIRETYPE_LENGTH_DELIMITED;

  private final byte[] bytes;
  private String name = "";
  private String version = "";
  private final List<String> aliases = new ArrayList<>(0);
  private boolean hasPayload;
  private int payloadOffset;
  private int payloadLength;

  /** Not yet read: see {@link #read}. */
  Resource(byte[] bytes) {
    this.bytes = bytes;
  }

  /**
   * Reads the envelope. What was read before an error stays, so that the error can name it.
   *
   * @throws IOException that says what is broken
   */
  void read() throws IOException {
    CodedInputStream in = CodedInputStream.newInstance(bytes);
    for (int tag = in.readTag(); tag != 0; tag = in.readTag()) {
      switch (tag) {
        case VERSION -> version = in.readStringRequireUtf8();
        case PAYLOAD -> readAny(in);
        case NAME -> name = in.readStringRequireUtf8();
        case ALIAS -> aliases.add(in.readStringRequireUtf8());
        default -> skip(in, tag);
      }
    }
  }

  private void readAny(CodedInputStream in) throws IOException {
    hasPayload = true;
    payloadLength = 0;
    int limit = in.pushLimit(in.readRawVarint32());
    for (int tag = in.readTag(); tag != 0; tag = in.readTag()) {
      if (tag == ANY_VALUE) {
        payloadLength = in.readRawVarint32();
        payloadOffset = in.getTotalBytesRead();
        in.skipRawBytes(payloadLength);
      } else {
        skip(in, tag);
      }
    }
    in.popLimit(limit);
  }

  private static void skip(CodedInputStream in, int tag) throws IOException {
    if (!in.skipField(tag)) {
      throw new InvalidProtocolBufferException("a group ends that did not begin");
    }
  }

  /** What the resource is called; empty: nothing, which is an error. */
  public String name() {
    return name;
  }

  /** The version to be echoed; may be empty. */
  public String version() {
    return version;
  }

  /** Other names by which it may have been asked for. */
  public List<String> aliases() {
    return aliases;
  }

  /** Whether there is a payload, be it empty. */
  boolean hasPayload() {
    return hasPayload;
  }

  /** The size of the payload in bytes. */
  public int payloadLength() {
    return payloadLength;
  }

  /** The message itself, in an array of its own. */
  public byte[] payload() {
    return Arrays.copyOfRange(bytes, payloadOffset, payloadOffset + payloadLength);
  }
}
