package io.ztunnel.xds;

import io.grpc.KnownLength;
import io.grpc.MethodDescriptor;
import io.grpc.ServerCallHandler;
import io.grpc.ServerServiceDefinition;
import io.ztunnel.xds.proto.DeltaDiscoveryRequest;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;

/**
 * The gRPC method of delta xDS as stand-ins for a control plane serve it: requests are read,
 * responses are bytes.
 */
public final class DeltaService {
  private static final String SERVICE = "envoy.service.discovery.v3.AggregatedDiscoveryService";

  private static final MethodDescriptor<DeltaDiscoveryRequest, byte[]> METHOD =
      MethodDescriptor.<DeltaDiscoveryRequest, byte[]>newBuilder()
          .setType(MethodDescriptor.MethodType.BIDI_STREAMING)
          .setFullMethodName(SERVICE + "/DeltaAggregatedResources")
          .setRequestMarshaller(new RequestMarshaller())
          .setResponseMarshaller(new BytesMarshaller())
          .build();

  private DeltaService() {}

  /** The gRPC service, with this to answer its streams. */
  public static ServerServiceDefinition service(
      ServerCallHandler<DeltaDiscoveryRequest, byte[]> handler) {
    return ServerServiceDefinition.builder(SERVICE).addMethod(METHOD, handler).build();
  }

  private static final class RequestMarshaller
      implements MethodDescriptor.Marshaller<DeltaDiscoveryRequest> {
    @Override
    public InputStream stream(DeltaDiscoveryRequest value) {
      return new ByteArrayInputStream(value.toByteArray());
    }

    @Override
    public DeltaDiscoveryRequest parse(InputStream stream) {
      try {
        return DeltaDiscoveryRequest.parseFrom(stream);
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
  }

  private static final class BytesMarshaller implements MethodDescriptor.Marshaller<byte[]> {
    @Override
    public InputStream stream(byte[] value) {
      return new Bytes(value);
    }

    @Override
    public byte[] parse(InputStream stream) {
      try {
        return stream.readAllBytes();
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
  }

  /** The length is known, so that gRPC needs no copy to find it. */
  private static final class Bytes extends ByteArrayInputStream implements KnownLength {
    Bytes(byte[] bytes) {
      super(bytes);
    }
  }
}
