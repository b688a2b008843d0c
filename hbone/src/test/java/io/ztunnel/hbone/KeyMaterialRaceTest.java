package io.ztunnel.hbone;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.netty.buffer.ByteBufAllocator;
import io.netty.handler.ssl.SslHandler;
import io.netty.util.ReferenceCountUtil;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLEngineResult.HandshakeStatus;
import javax.net.ssl.SSLException;
import org.junit.jupiter.api.Test;

/** What BoringSSL holds of a certificate lies outside of the heap: nobody else gives it back. */
class KeyMaterialRaceTest {
  private static final int ROUNDS = 300;
  private static final int AT_ONCE = 2;

  private final TestPki pki = TestPki.root("root");
  private final KeyMaterial client = pki.workload(Loopback.CLIENT);
  private final KeyMaterial server = pki.workload(Loopback.SERVER);
  private final TlsSettings settings =
      new TlsSettings(TlsSettings.Provider.BORINGSSL, false, false);

  /** {@link LeakExtension} tells if something stays. */
  @Test
  void nothingStaysHoweverManyHandshakesAreTheFirstOfACertificate() throws Exception {
    CyclicBarrier start = new CyclicBarrier(AT_ONCE);
    try (ExecutorService threads = Executors.newFixedThreadPool(AT_ONCE)) {
      for (int round = 0; round < ROUNDS; round++) {
        shakeHandsAtOnce(threads, start);
      }
      System.gc();
      shakeHandsAtOnce(threads, start); // the detector looks when there is something new to track
    }
  }

  private void shakeHandsAtOnce(ExecutorService threads, CyclicBarrier start)
      throws InterruptedException, ExecutionException {
    try (ClientTls clients = ClientTls.create(client, settings);
        ServerTls servers = ServerTls.create(server, settings)) {
      List<Future<Boolean>> done = new ArrayList<>();
      for (int i = 0; i < AT_ONCE; i++) {
        done.add(
            threads.submit(
                () -> {
                  start.await();
                  return shakeHands(
                      clients.newHandler(ByteBufAllocator.DEFAULT, List.of(Loopback.SERVER)),
                      servers.newHandler(ByteBufAllocator.DEFAULT));
                }));
      }
      for (Future<Boolean> each : done) {
        assertTrue(each.get(), "both ends are done");
      }
    }
  }

  private static boolean shakeHands(SslHandler clientHandler, SslHandler serverHandler)
      throws SSLException {
    SSLEngine client = clientHandler.engine();
    SSLEngine server = serverHandler.engine();
    try {
      ByteBuffer toServer = ByteBuffer.allocate(client.getSession().getPacketBufferSize());
      ByteBuffer toClient = ByteBuffer.allocate(server.getSession().getPacketBufferSize());
      client.beginHandshake();
      server.beginHandshake();
      for (int i = 0; i < 20 && !(isDone(client) && isDone(server)); i++) {
        pass(client, toServer, server);
        pass(server, toClient, client);
      }
      return isDone(client) && isDone(server);
    } finally {
      ReferenceCountUtil.release(client);
      ReferenceCountUtil.release(server);
    }
  }

  private static boolean isDone(SSLEngine engine) {
    return engine.getHandshakeStatus() == HandshakeStatus.NOT_HANDSHAKING;
  }

  /** What one has to say, and the other hears; some of it is left when the one is done. */
  private static void pass(SSLEngine from, ByteBuffer bytes, SSLEngine to) throws SSLException {
    ByteBuffer plain = ByteBuffer.allocate(to.getSession().getApplicationBufferSize());
    ByteBuffer nothing = ByteBuffer.allocate(0);
    while (from.wrap(nothing, bytes.clear()).bytesProduced() > 0) {
      bytes.flip();
      while (bytes.hasRemaining()) {
        var _ = to.unwrap(bytes, plain);
      }
    }
  }
}
