package io.ztunnel.xds;

import com.google.protobuf.CodedInputStream;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.WireFormat;
import io.grpc.Detachable;
import io.grpc.KnownLength;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.ztunnel.xds.proto.DeltaDiscoveryRequest;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.List;

/**
 * A response of the control plane, read from the transport's buffers: twice, because its type
 * stands behind its resources (type_url = 4, resources = 2). It is never made into objects as a
 * whole, and the second reading gives the buffers back as it goes. Confined to the {@code xds}
 * thread; whoever has it closes it.
 */
final class DeltaResponse implements AutoCloseable {
  private static final int RESOURCE = 2 << 3 | WireFormat.WIRETYPE_LENGTH_DELIMITED;
  private static final int TYPE_URL = 4 << 3 | WireFormat.WIRETYPE_LENGTH_DELIMITED;
  private static final int NONCE = 5 << 3 | WireFormat.WIRETYPE_LENGTH_DELIMITED;
  private static final int REMOVED = 6 << 3 | WireFormat.WIRETYPE_LENGTH_DELIMITED;

  private static final int BUFFER_BYTES = 64 << 10;

  /** The stream of requests and responses (Envoy's ADS, delta form). */
  static final MethodDescriptor<DeltaDiscoveryRequest, DeltaResponse> METHOD =
      MethodDescriptor.<DeltaDiscoveryRequest, DeltaResponse>newBuilder()
          .setType(MethodDescriptor.MethodType.BIDI_STREAMING)
          .setFullMethodName(
              "envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources")
          .setRequestMarshaller(new RequestMarshaller())
          .setResponseMarshaller(new ResponseMarshaller())
          .build();

  /**
   * What a response says beside its resources. Immutable.
   *
   * @param resources how many there are
   */
  record Summary(String typeUrl, String nonce, int resources, List<String> removed) {}

  /** Takes one resource, whose envelope is not read yet. */
  @FunctionalInterface
  interface ResourceReader {
    void accept(Resource resource);
  }

  private final InputStream stream;

  DeltaResponse(InputStream stream) {
    this.stream = stream;
  }

  /**
   * Reads everything but the resources, and checks that they can be told apart.
   *
   * @throws IOException if the response is broken as a whole
   */
  Summary summary() throws IOException {
    stream.mark(Integer.MAX_VALUE);
    String typeUrl = "";
    String nonce = "";
    int resources = 0;
    List<String> removed = new ArrayList<>(0);
    CodedInputStream in = CodedInputStream.newInstance(stream, BUFFER_BYTES);
    for (int tag = in.readTag(); tag != 0; tag = in.readTag()) {
      switch (tag) {
        case RESOURCE -> {
          resources++;
          in.skipRawBytes(in.readRawVarint32());
        }
        case TYPE_URL -> typeUrl = in.readStringRequireUtf8();
        case NONCE -> nonce = in.readStringRequireUtf8();
        case REMOVED -> removed.add(in.readStringRequireUtf8());
        default -> skip(in, tag);
      }
    }
    stream.reset();
    return new Summary(typeUrl, nonce, resources, removed);
  }

  /** Reads the resources, after {@link #summary}; once. */
  void forEachResource(ResourceReader reader) throws IOException {
    CodedInputStream in = CodedInputStream.newInstance(stream, BUFFER_BYTES);
    for (int tag = in.readTag(); tag != 0; tag = in.readTag()) {
      if (tag == RESOURCE) {
        reader.accept(new Resource(in.readByteArray()));
      } else {
        skip(in, tag);
      }
    }
  }

  @Override
  public void close() {
    try {
      stream.close();
    } catch (IOException e) {
      throw new IllegalStateException("buffers of a response cannot be given back", e);
    }
  }

  private static void skip(CodedInputStream in, int tag) throws IOException {
    if (!in.skipField(tag)) {
      throw new InvalidProtocolBufferException("a group ends that did not begin");
    }
  }

  private static final class RequestMarshaller
      implements MethodDescriptor.Marshaller<DeltaDiscoveryRequest> {
    @Override
    public InputStream stream(DeltaDiscoveryRequest request) {
      return new RequestStream(request.toByteArray());
    }

    @Override
    public DeltaDiscoveryRequest parse(InputStream stream) {
      try {
        return DeltaDiscoveryRequest.parseFrom(stream);
      } catch (IOException e) {
        throw Status.INTERNAL.withDescription("broken request").withCause(e).asRuntimeException();
      }
    }
  }

  /** The length is known, so that the transport needs no copy to find it. */
  private static final class RequestStream extends ByteArrayInputStream implements KnownLength {
    RequestStream(byte[] bytes) {
      super(bytes);
    }
  }

  private static final class ResponseMarshaller
      implements MethodDescriptor.Marshaller<DeltaResponse> {
    @Override
    public InputStream stream(DeltaResponse response) {
      return response.stream;
    }

    @Override
    public DeltaResponse parse(InputStream stream) {
      if (!(stream instanceof Detachable detachable) || !stream.markSupported()) {
        throw Status.INTERNAL
            .withDescription("the transport's buffers cannot be read twice")
            .asRuntimeException();
      }
      return new DeltaResponse(detachable.detach());
    }
  }
}
