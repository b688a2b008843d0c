package io.ztunnel.xds;

import io.grpc.CallCredentials;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import java.io.IOException;
import java.util.concurrent.Executor;

/**
 * Gives each call the metadata of its control plane, with the token as it is at that moment.
 * Immutable.
 */
final class CallMetadata extends CallCredentials implements ClientInterceptor {
  private final ControlPlane controlPlane;

  CallMetadata(ControlPlane controlPlane) {
    this.controlPlane = controlPlane;
  }

  @Override
  public <Q, A> ClientCall<Q, A> interceptCall(
      MethodDescriptor<Q, A> method, CallOptions options, Channel next) {
    return next.newCall(method, options.withCallCredentials(this));
  }

  @Override
  public void applyRequestMetadata(
      RequestInfo request, Executor executor, MetadataApplier applier) {
    // Reads a file: not on the loop that asks for this.
    executor.execute(
        () -> {
          try {
            Metadata metadata = new Metadata();
            controlPlane
                .metadata(controlPlane.token().read())
                .forEach((name, value) -> metadata.put(key(name), value));
            applier.apply(metadata);
          } catch (IOException | RuntimeException e) {
            applier.fail(Status.UNAUTHENTICATED.withDescription(e.toString()).withCause(e));
          }
        });
  }

  private static Metadata.Key<String> key(String name) {
    return Metadata.Key.of(name, Metadata.ASCII_STRING_MARSHALLER);
  }
}
