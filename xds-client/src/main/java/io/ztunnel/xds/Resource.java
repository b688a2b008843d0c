package io.ztunnel.xds;

import com.google.protobuf.CodedInputStream;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.WireFormat;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * One resource of a response. Belongs to the {@code xds} thread; valid only while it is handed
 * over.
 *
 * <p>Source: Envoy's {@code Resource} (version = 1, resource = 2, name = 3, aliases = 4); the other
 * fields are ignored, as in Istio.
 */
public final class Resource {
  private static final int VERSION = 1 << 3 | WireFormat.WIRETYPE_LENGTH_DELIMITED;
  private static final int PAYLOAD = 2 << 3 | WireFormat.WIRETYPE_LENGTH_DELIMITED;
  private static final int NAME = 3 << 3 | WireFormat.WIRETYPE_LENGTH_DELIMITED;
  private static final int ALIAS = 4 << 3 | WireFormat.WIRETYPE_LENGTH_DELIMITED;

  // google.protobuf.Any
  private static final int ANY_TYPE = 1 << 3 | WireFormat.WIRETYPE_LENGTH_DELIMITED;
  private static final int ANY_VALUE = 2 << 3 | WireFormat.WIRETYPE_LENGTH_DELIMITED;

  private final byte[] bytes;
  private final int offset;
  private final int length;
  private String name = "";
  private String version = "";
  private final List<String> aliases = new ArrayList<>(0);
  private @Nullable String defect;
  private boolean hasPayload;
  private int typeOffset;
  private int typeLength;
  private int payloadOffset;
  private int payloadLength;

  /** Not yet read: see {@link #read}. */
  Resource(byte[] bytes, int offset, int length) {
    this.bytes = bytes;
    this.offset = offset;
    this.length = length;
  }

  /** The same in memory of its own, for later. */
  Resource copy() {
    Resource copy = new Resource(Arrays.copyOfRange(bytes, offset, offset + length), 0, length);
    copy.read();
    return copy;
  }

  /** Reads the envelope, as far as it can be read. */
  void read() {
    CodedInputStream in = CodedInputStream.newInstance(bytes, offset, length);
    try {
      for (int tag = in.readTag(); tag != 0; tag = in.readTag()) {
        switch (tag) {
          case VERSION -> version = in.readStringRequireUtf8();
          case PAYLOAD -> readAny(in);
          case NAME -> name = in.readStringRequireUtf8();
          case ALIAS -> aliases.add(in.readStringRequireUtf8());
          default -> skip(in, tag);
        }
      }
    } catch (IOException e) {
      defect = defect(e);
    }
  }

  /**
   * Looks whether it can be taken.
   *
   * @throws ResourceException that says what is wrong with the envelope
   */
  void check() throws ResourceException {
    if (defect != null) {
      throw new ResourceException(defect);
    }
    if (name.isEmpty()) {
      throw new ResourceException("name: empty (expected: the name of the resource)");
    }
    if (!hasPayload) {
      throw new ResourceException("XDS payload without resource");
    }
  }

  private void readAny(CodedInputStream in) throws IOException {
    hasPayload = true;
    payloadLength = 0;
    int size = in.readRawVarint32();
    int limit = in.pushLimit(size); // refuses a size beyond the resource
    int end = in.getTotalBytesRead() + size;
    try {
      readAnyFields(in);
    } catch (IOException e) {
      defect = defect(e);
      in.skipRawBytes(end - in.getTotalBytesRead()); // the name is behind it, most often
    }
    in.popLimit(limit);
  }

  private void readAnyFields(CodedInputStream in) throws IOException {
    for (int tag = in.readTag(); tag != 0; tag = in.readTag()) {
      switch (tag) {
        case ANY_TYPE -> {
          int size = in.readRawVarint32();
          int begin = offset + in.getTotalBytesRead();
          in.skipRawBytes(size);
          typeOffset = begin;
          typeLength = size;
        }
        case ANY_VALUE -> {
          int size = in.readRawVarint32();
          int begin = offset + in.getTotalBytesRead();
          in.skipRawBytes(size);
          payloadOffset = begin;
          payloadLength = size;
        }
        default -> skip(in, tag);
      }
    }
  }

  private static String defect(IOException cause) {
    return "decode error: " + cause.getMessage();
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

  /** The type that the payload claims; empty: it claims none. */
  String payloadType() {
    return new String(bytes, typeOffset, typeLength, StandardCharsets.UTF_8);
  }

  /** The size of the payload in bytes. */
  public int payloadLength() {
    return payloadLength;
  }

  /** What the payload is in: an array that is used again for other resources. */
  public byte[] bytes() {
    return bytes;
  }

  /** Where in {@link #bytes} the payload begins. */
  public int payloadOffset() {
    return payloadOffset;
  }

  /** The payload in an array of its own. */
  public byte[] payload() {
    return Arrays.copyOfRange(bytes, payloadOffset, payloadOffset + payloadLength);
  }
}
