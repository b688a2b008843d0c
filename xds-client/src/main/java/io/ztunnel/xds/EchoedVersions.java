package io.ztunnel.xds;

import com.google.protobuf.CodedOutputStream;
import com.google.protobuf.WireFormat;
import io.ztunnel.xds.proto.DeltaDiscoveryRequest;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;

/**
 * The versions that a first request echoes, as they are sent: there may be tens of thousands, which
 * as a map of texts would take ten times their bytes. Confined to the thread that uses it.
 */
final class EchoedVersions {
  private static final int KEY = 1;
  private static final int VALUE = 2;

  private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
  private final CodedOutputStream out = CodedOutputStream.newInstance(bytes);

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

  /** A request with these entries behind its own fields. */
  byte[] behind(DeltaDiscoveryRequest request) {
    try {
      out.flush();
      ByteArrayOutputStream joined =
          new ByteArrayOutputStream(request.getSerializedSize() + bytes.size());
      request.writeTo(joined);
      bytes.writeTo(joined);
      return joined.toByteArray();
    } catch (IOException e) {
      throw new UncheckedIOException(e); // not of a stream in memory
    }
  }
}
