package io.ztunnel.redirection;

import com.google.protobuf.InvalidProtocolBufferException;
import io.ztunnel.redirection.proto.Ack;
import io.ztunnel.redirection.proto.AddWorkload;
import io.ztunnel.redirection.proto.Version;
import io.ztunnel.redirection.proto.WorkloadInfo;
import io.ztunnel.redirection.proto.WorkloadRequest;
import io.ztunnel.redirection.proto.WorkloadRequest.PayloadCase;
import io.ztunnel.redirection.proto.WorkloadResponse;
import io.ztunnel.redirection.proto.ZdsHello;
import java.io.IOException;
import java.nio.charset.StandardCharsets;

/** Packets to messages and answers to packets. Stateless. */
final class ZdsCodec {
  /** The agent reads answers into 1024 bytes and drops the connection over a longer one. */
  static final int MAX_ERROR_BYTES = 900;

  private ZdsCodec() {}

  /** What a packet turned out to be. */
  sealed interface Decoded {
    /** A message for the handler. */
    record Message(ZdsMessage message) implements Decoded {}

    /** No message at all: the agent is told and the connection starts anew. */
    record Unreadable(String reason) implements Decoded {}

    /** A message whose answer needs no handler. */
    record Answered(ZdsReply reply) implements Decoded {}
  }

  static byte[] hello() {
    return ZdsHello.newBuilder().setVersion(Version.V1).build().toByteArray();
  }

  /** Reads a packet and takes over its descriptors: one goes into an add, all others are closed. */
  static Decoded decode(Libc.Packet packet) {
    WorkloadRequest request;
    try {
      request = parse(packet);
    } catch (IOException e) {
      packet.descriptors().forEach(Libc::close);
      return new Decoded.Unreadable(String.valueOf(e.getMessage()));
    }
    return switch (request.getPayloadCase()) {
      case ADD -> add(request.getAdd(), packet.descriptors().getFirst());
      case KEEP -> new Decoded.Message(new ZdsMessage.Keep(request.getKeep().getUid()));
      case DEL -> new Decoded.Message(new ZdsMessage.Delete(request.getDel().getUid()));
      case SNAPSHOT_SENT -> new Decoded.Message(new ZdsMessage.SnapshotSent());
      case PAYLOAD_NOT_SET -> throw new IllegalStateException("parsed without a payload");
    };
  }

  /** The request, of a kind that fits the packet's descriptors. */
  private static WorkloadRequest parse(Libc.Packet packet) throws IOException {
    int descriptors = packet.descriptors().size();
    if (descriptors > 1) {
      throw new IOException("%d file descriptors (expected: at most 1)".formatted(descriptors));
    }
    if (packet.truncated()) {
      throw new IOException(
          "truncated packet (expected: at most %d bytes)".formatted(ZdsSocket.MAX_PACKET_BYTES));
    }
    WorkloadRequest request;
    try {
      request = WorkloadRequest.parseFrom(packet.data());
    } catch (InvalidProtocolBufferException e) {
      throw new IOException(
          "%d bytes that are no WorkloadRequest: %s"
              .formatted(packet.data().limit(), e.getMessage()),
          e);
    }
    PayloadCase payload = request.getPayloadCase();
    if (payload == PayloadCase.PAYLOAD_NOT_SET) {
      throw new IOException("no payload (expected: add, del, keep or snapshot_sent)");
    }
    if (payload == PayloadCase.ADD && descriptors == 0) {
      throw new IOException("No control message (expected: add with a file descriptor)");
    }
    if (payload != PayloadCase.ADD && descriptors > 0) {
      throw new IOException(
          "Unexpected control message: file descriptor with %s (expected: only with ADD)"
              .formatted(payload));
    }
    return request;
  }

  private static Decoded add(AddWorkload add, int descriptor) {
    if (!add.hasWorkloadInfo()) {
      Libc.close(descriptor);
      return new Decoded.Answered(
          new ZdsReply.ProtocolViolation(
              "protocol error: add of %s without workload_info".formatted(add.getUid())));
    }
    WorkloadInfo info = add.getWorkloadInfo();
    PodInfo pod = new PodInfo(info.getName(), info.getNamespace(), info.getServiceAccount());
    try {
      NetworkNamespace namespace = NetworkNamespace.adopt(descriptor);
      return new Decoded.Message(new ZdsMessage.Add(add.getUid(), pod, namespace));
    } catch (IOException e) {
      return new Decoded.Answered(new ZdsReply.ProxyFailed(String.valueOf(e.getMessage())));
    }
  }

  /** The answer to a message. */
  static byte[] response(ZdsReply reply) {
    return response(
        switch (reply) {
          case ZdsReply.Ok _ -> "";
          case ZdsReply.ProxyFailed(String reason) -> "failure to start proxy : " + reason;
          case ZdsReply.ProcessingFailed(String reason) -> "failure to process message : " + reason;
          case ZdsReply.ProtocolViolation(String reason) ->
              "failure to process message : " + reason;
        });
  }

  /** The answer to what is no message. */
  static byte[] response(Decoded.Unreadable unreadable) {
    return response("failure to read message : " + unreadable.reason());
  }

  private static byte[] response(String error) {
    Ack ack = Ack.newBuilder().setError(shortened(error)).build();
    return WorkloadResponse.newBuilder().setAck(ack).build().toByteArray();
  }

  /** At most {@link #MAX_ERROR_BYTES} of UTF-8, cut between characters. */
  private static String shortened(String text) {
    byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
    if (utf8.length <= MAX_ERROR_BYTES) {
      return text;
    }
    int end = MAX_ERROR_BYTES;
    while ((utf8[end] & 0xC0) == 0x80) { // inside a character
      end--;
    }
    return new String(utf8, 0, end, StandardCharsets.UTF_8);
  }
}
