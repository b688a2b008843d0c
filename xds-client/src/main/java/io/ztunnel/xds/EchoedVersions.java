package io.ztunnel.xds;

import com.google.protobuf.CodedOutputStream;
import com.google.protobuf.WireFormat;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufOutputStream;
import io.ztunnel.xds.proto.DeltaDiscoveryRequest;
import java.io.IOException;
import java.io.UncheckedIOException;

/**
 * A first request with the versions that it echoes, written at once as it is sent: there may be
 * tens of thousands, which as a map of texts would take ten times their bytes. Confined to the
 * thread that uses it.
 */
final class EchoedVersions {
  private static final int KEY = 1;
  private static final int VALUE = 2;

  private final CodedOutputStream out;

  /**
   * Writes a request.
   *
   * @param request its own fields
   * @param message gets its bytes; stays the caller's
   */
  EchoedVersions(DeltaDiscoveryRequest request, ByteBuf message) {
    out = CodedOutputStream.newInstance(new ByteBufOutputStream(message));
    try {
      request.writeTo(out);
    } catch (IOException e) {
      throw new UncheckedIOException(e); // not of a stream in memory
    }
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
      throw new UncheckedIOException(e);
    }
  }

  /** No more is added. */
  void end() {
    try {
      out.flush();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
