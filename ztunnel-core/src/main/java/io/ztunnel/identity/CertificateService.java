package io.ztunnel.identity;

import com.google.protobuf.MessageLite;
import com.google.protobuf.Parser;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.ztunnel.identity.proto.IstioCertificateRequest;
import io.ztunnel.identity.proto.IstioCertificateResponse;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;

/** The control plane's certificate service as gRPC knows it ({@code istio.v1.auth}). Stateless. */
final class CertificateService {
  static final String NAME = "istio.v1.auth.IstioCertificateService";

  static final MethodDescriptor<IstioCertificateRequest, IstioCertificateResponse> CREATE =
      MethodDescriptor.<IstioCertificateRequest, IstioCertificateResponse>newBuilder()
          .setType(MethodDescriptor.MethodType.UNARY)
          .setFullMethodName(MethodDescriptor.generateFullMethodName(NAME, "CreateCertificate"))
          .setRequestMarshaller(new Protobuf<>(IstioCertificateRequest.parser()))
          .setResponseMarshaller(new Protobuf<>(IstioCertificateResponse.parser()))
          .build();

  private CertificateService() {}

  private record Protobuf<T extends MessageLite>(Parser<T> parser)
      implements MethodDescriptor.Marshaller<T> {
    @Override
    public InputStream stream(T message) {
      return new ByteArrayInputStream(message.toByteArray());
    }

    @Override
    public T parse(InputStream bytes) {
      try {
        return parser.parseFrom(bytes);
      } catch (IOException e) {
        throw Status.INTERNAL
            .withDescription("answer that does not parse: " + e.getMessage())
            .withCause(e)
            .asRuntimeException();
      }
    }
  }
}
