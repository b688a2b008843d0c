package io.ztunnel.bench.load;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedSelectorException;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Sends back what it receives. All connections belong to its thread {@code echo}; closing from
 * another thread wakes that thread, which closes them.
 */
public final class EchoServer implements AutoCloseable {
  private static final Duration STOP_DEADLINE = Duration.ofSeconds(10);

  private final Selector selector;
  private final ServerSocketChannel listener;
  private final Thread thread;

  /** Written by {@code echo}, read by any thread. */
  private final AtomicInteger accepted = new AtomicInteger();

  /**
   * Starts.
   *
   * @param listener bound; owned by this server from now on
   */
  public EchoServer(ServerSocketChannel listener) throws IOException {
    this.listener = listener;
    this.selector = Selector.open();
    listener.configureBlocking(false);
    listener.register(selector, SelectionKey.OP_ACCEPT);
    this.thread = Thread.ofPlatform().name("echo").daemon().start(this::serve);
  }

  private void serve() {
    ByteBuffer buffer = ByteBuffer.allocateDirect(16 * 1024);
    try {
      while (listener.isOpen()) {
        selector.select(key -> onReady(key, buffer));
      }
    } catch (IOException | ClosedSelectorException e) {
      // The selector is gone: closed by close().
    } finally {
      selector.keys().forEach(EchoServer::closeQuietly);
    }
  }

  private void onReady(SelectionKey key, ByteBuffer buffer) {
    try {
      if (key.isAcceptable()) {
        SocketChannel channel = listener.accept();
        if (channel != null) {
          accepted.incrementAndGet();
          channel.configureBlocking(false);
          channel.register(selector, SelectionKey.OP_READ);
        }
      } else if (!echo((SocketChannel) key.channel(), buffer)) {
        closeQuietly(key);
      }
    } catch (IOException e) {
      closeQuietly(key);
    }
  }

  /**
   * False at the end of the stream. Small messages only: what the socket does not take at once
   * fails.
   */
  private static boolean echo(SocketChannel channel, ByteBuffer buffer) throws IOException {
    buffer.clear();
    if (channel.read(buffer) < 0) {
      return false;
    }
    buffer.flip();
    channel.write(buffer);
    if (buffer.hasRemaining()) {
      throw new IOException(buffer.remaining() + " bytes of an echo did not fit");
    }
    return true;
  }

  /** How many connections have come so far. */
  int accepted() {
    return accepted.get();
  }

  private static void closeQuietly(SelectionKey key) {
    try {
      key.channel().close();
    } catch (IOException e) {
      // Nothing can be done about a socket that does not close.
    }
  }

  @Override
  public void close() throws IOException {
    listener.close();
    selector.wakeup();
    try {
      thread.join(STOP_DEADLINE);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    selector.close();
  }
}
