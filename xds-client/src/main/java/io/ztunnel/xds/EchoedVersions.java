package io.ztunnel.xds;

import com.google.protobuf.CodedOutputStream;
import com.google.protobuf.WireFormat;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufOutputStream;
import io.netty.buffer.Unpooled;
import io.ztunnel.xds.proto.DeltaDiscoveryRequest;
import java.io.IOException;
import java.io.UncheckedIOException;

/**
 * A first request with the versions that it echoes, as it is sent: there may be tens of thousands,
 * which as a map of texts would take ten times their bytes. Confined to the thread that uses it.
 */
final class EchoedVersions {
  private static final int KEY = 1;
  private static final int VALUE = 2;

  /** What an entry takes, roughly. */
  private static final int ENTRY_BYTES = 96;

  private static final int FIRST_BYTES = 1 << 10;

  /** In one piece from the beginning, most often: copies would be the larger part of it. */
  private final ByteBuf bytes;

  private final CodedOutputStream out;

  /**
   * No versions yet.
   *
   * @param expected how many there will be, roughly
   * @param maxBytes limit of what they take
   */
  EchoedVersions(int expected, long maxBytes) {
    bytes = Unpooled.buffer(FIRST_BYTES + (int) Math.min((long) ENTRY_BYTES * expected, maxBytes));
    out = CodedOutputStream.newInstance(new ByteBufOutputStream(bytes));
  }

  /** Adds an entry of the map. */
  void add(String name, String version) {
    try {
      out.writeTag(
          DeltaDiscoveryRequest.INITIAL_RESOURCE_VERSIONS_FIELD_NUMBER,
          WireFormat.WIRETYPE_LENGTH_DELIMITED);
      out.writeUInt32NoTag(
          CodedOutputStream.computeStringSize(KEY, name)
              + CodedOutputStream.computeStringSize(VALUE, version));
      out.writeString(KEY, name);
      out.writeString(VALUE, version);
    } catch (IOException e) {
      throw new UncheckedIOException(e); // not of a stream in memory
    }
  }

  /** The request with these entries before its own fields; nothing more is added. */
  ByteBuf before(DeltaDiscoveryRequest request) {
    try {
      request.writeTo(out);
      out.flush();
      return bytes;
    } catch (IOException e) {
      throw new UncheckedIOException(e); // not of a stream in memory
    }
  }
}
