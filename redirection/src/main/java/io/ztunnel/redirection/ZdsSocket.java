package io.ztunnel.redirection;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * The client's end of a Unix SOCK_SEQPACKET connection: packets with file descriptors.
 *
 * <p>One thread sends, receives and closes; any thread may {@link #shutdown}. These two are {@code
 * synchronized}, because a shutdown after the close would hit whoever has the descriptor's number
 * by then.
 */
final class ZdsSocket implements AutoCloseable {
  /**
   * Largest packet taken. Agents send far less (the reference takes 1024 bytes), so that only an
   * absurd packet is cut off.
   */
  static final int MAX_PACKET_BYTES = 64 * 1024;

  /** Room for more than the one descriptor that may come, so that a surplus is seen and closed. */
  private static final int MAX_DESCRIPTORS = 16;

  /** Bounds a connect to an agent that does not accept, and a send to one that does not read. */
  private static final Duration SEND_TIMEOUT = Duration.ofSeconds(5);

  private final int fd;
  private boolean closed;

  private ZdsSocket(int fd) {
    this.fd = fd;
  }

  static ZdsSocket connect(Path path) throws IOException {
    int fd = Libc.socket(Libc.AF_UNIX, Libc.SOCK_SEQPACKET);
    try {
      Libc.setTimeout(fd, Libc.SO_SNDTIMEO, SEND_TIMEOUT.toMillis());
      Libc.connect(fd, path.toString());
      return new ZdsSocket(fd);
    } catch (IOException | RuntimeException e) {
      Libc.close(fd);
      throw e;
    }
  }

  void send(byte[] packet) throws IOException {
    Libc.send(fd, packet);
  }

  /** Waits for a packet, without a limit; null at the end of the stream or after a shutdown. */
  Libc.@Nullable Packet receive() throws IOException {
    return Libc.receive(fd, MAX_PACKET_BYTES, MAX_DESCRIPTORS);
  }

  /** Makes a blocked {@link #receive} return, and every later one; what is said still arrives. */
  synchronized void shutdown() throws IOException {
    if (!closed) {
      Libc.shutdownInput(fd);
    }
  }

  @Override
  public synchronized void close() {
    if (!closed) {
      closed = true;
      Libc.close(fd);
    }
  }
}
