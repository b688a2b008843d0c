package io.ztunnel.redirection;

import io.ztunnel.redirection.proto.AddWorkload;
import io.ztunnel.redirection.proto.DelWorkload;
import io.ztunnel.redirection.proto.KeepWorkload;
import io.ztunnel.redirection.proto.SnapshotSent;
import io.ztunnel.redirection.proto.Version;
import io.ztunnel.redirection.proto.WorkloadInfo;
import io.ztunnel.redirection.proto.WorkloadRequest;
import io.ztunnel.redirection.proto.WorkloadResponse;
import io.ztunnel.redirection.proto.ZdsHello;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;

/**
 * A stand-in for the CNI agent: the server of ZDS on a Unix socket, one blocking call at a time.
 * Confined to one thread, but for {@link #close}.
 */
public final class CniAgent implements AutoCloseable {
  private final Path path;
  private final SeqpacketSocket listener;

  /** Listens; a socket file that is in the way is removed first, as the agent does. */
  public CniAgent(Path path) throws IOException {
    this.path = path;
    Files.deleteIfExists(path);
    this.listener = SeqpacketSocket.listen(path);
  }

  /** Waits for a proxy to connect and to say hello. */
  public Session accept(Duration deadline) throws IOException {
    Session session = acceptSilently(deadline);
    try {
      ZdsHello hello = ZdsHello.parseFrom(session.receive(deadline));
      if (hello.getVersion() != Version.V1) {
        throw new IOException("hello: %s (expected: V1)".formatted(hello.getVersion()));
      }
      return session;
    } catch (IOException e) {
      session.close();
      throw e;
    }
  }

  /** Waits for a proxy to connect and leaves its hello unread. */
  public Session acceptSilently(Duration deadline) throws IOException {
    return new Session(listener.accept(deadline));
  }

  @Override
  public void close() throws IOException {
    listener.close();
    Files.deleteIfExists(path);
  }

  /** One proxy's connection. Every exchange returns the error text of the answer, empty for yes. */
  public static final class Session implements AutoCloseable {
    private static final Duration ANSWER_DEADLINE = Duration.ofSeconds(5);

    private final SeqpacketSocket socket;

    private Session(SeqpacketSocket socket) {
      this.socket = socket;
    }

    public String add(String uid, String name, String namespace, String serviceAccount, Path netns)
        throws IOException {
      return exchange(added(uid, name, namespace, serviceAccount), List.of(netns));
    }

    public String keep(String uid) throws IOException {
      return exchange(
          WorkloadRequest.newBuilder().setKeep(KeepWorkload.newBuilder().setUid(uid)).build(),
          List.of());
    }

    public String delete(String uid) throws IOException {
      return exchange(deleted(uid), List.of());
    }

    public String snapshotSent() throws IOException {
      return exchange(
          WorkloadRequest.newBuilder().setSnapshotSent(SnapshotSent.getDefaultInstance()).build(),
          List.of());
    }

    /** Sends any request with a descriptor for each of the files. */
    public String exchange(WorkloadRequest request, List<Path> files) throws IOException {
      return exchangeRaw(request.toByteArray(), files);
    }

    /** Sends any packet, good or bad. */
    public String exchangeRaw(byte[] packet, List<Path> files) throws IOException {
      socket.send(packet, files);
      return answer();
    }

    /** Sends a packet and leaves the answer for {@link #answer}. */
    public void send(WorkloadRequest request, List<Path> files) throws IOException {
      socket.send(request.toByteArray(), files);
    }

    /** The answer to what was sent last. */
    public String answer() throws IOException {
      WorkloadResponse response = WorkloadResponse.parseFrom(receive(ANSWER_DEADLINE));
      if (!response.hasAck()) {
        throw new IOException("answer without ack (expected: exactly one for each request)");
      }
      return response.getAck().getError();
    }

    /** The next packet as it is. */
    public byte[] receive(Duration deadline) throws IOException {
      return socket.receive(deadline);
    }

    /** True if the proxy says nothing for this long; only a quiet connection is a healthy one. */
    public boolean isQuiet(Duration duration) throws IOException {
      return socket.isQuiet(duration);
    }

    /** True if the proxy ends the connection within this time. */
    public boolean isEnded(Duration deadline) throws IOException {
      return socket.isEnded(deadline);
    }

    @Override
    public void close() {
      socket.close();
    }

    /** What adds a pod. */
    public static WorkloadRequest added(
        String uid, String name, String namespace, String serviceAccount) {
      return WorkloadRequest.newBuilder()
          .setAdd(
              AddWorkload.newBuilder()
                  .setUid(uid)
                  .setWorkloadInfo(
                      WorkloadInfo.newBuilder()
                          .setName(name)
                          .setNamespace(namespace)
                          .setServiceAccount(serviceAccount)))
          .build();
    }

    /** What deletes a pod. */
    public static WorkloadRequest deleted(String uid) {
      return WorkloadRequest.newBuilder().setDel(DelWorkload.newBuilder().setUid(uid)).build();
    }
  }
}
