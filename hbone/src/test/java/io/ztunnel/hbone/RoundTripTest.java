package io.ztunnel.hbone;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import io.netty.buffer.Unpooled;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class RoundTripTest {
  private final Loopback mesh = new Loopback();
  private final TestPki pki = TestPki.root("root");
  private final EchoHandler server = new EchoHandler();
  private final HboneSettings settings = HboneSettings.defaults();
  private final PeerKey key =
      Loopback.key(
          mesh.serve(mesh.serverTls(pki.workload(Loopback.SERVER)), settings, () -> server),
          "uid-1");
  private final HbonePool pool = mesh.pool(mesh.clientTls(pki.workload(Loopback.CLIENT)), settings);

  @AfterEach
  void stop() {
    mesh.close();
  }

  private Opened open(ConnectRequest request) {
    Opened opened = new Opened();
    mesh.run(() -> pool.open(key, request, opened));
    mesh.await("answer", opened::isDone);
    assertNull(opened.failure);
    return opened;
  }

  @Test
  void bytesAndBothEndsComeBack() {
    Opened opened = open(Loopback.connect("10.0.0.1:80"));
    mesh.run(
        () -> {
          opened.tunnel().write(Unpooled.copiedBuffer("hello world", US_ASCII));
          opened.tunnel().shutdownOutput();
        });
    mesh.await("finish", opened.listener::isOver);
    assertEquals("hello world", opened.listener.payload.toString(US_ASCII));
    assertEquals(List.of("end", "finished"), opened.listener.events);
  }

  @Test
  void everyFieldOfARequestArrives() {
    ConnectRequest request =
        new ConnectRequest(
            "example.com:8080",
            "k8s.namespace.name=a,service.name=b",
            "for=\"10.0.0.1:1\"",
            "00-11111111111111111111111111111111-2222222222222222-00",
            "net-1",
            "waypoint");
    Opened opened = open(request);
    mesh.run(
        () -> {
          assertEquals(request, server.connects.getFirst().request());
          assertEquals("CONNECT", server.connects.getFirst().method());
          assertEquals("k8s.namespace.name=echo", opened.baggage);
          assertEquals(List.of(Loopback.SERVER), opened.peer().uriSans());
          assertEquals(List.of(Loopback.CLIENT), server.peer().uriSans());
        });
  }

  /** A workload may be named in any way by a local file; its connections work all the same. */
  @ParameterizedTest
  @ValueSource(strings = {"two\nlines", "\u0000", "f\u00fcnf", "\u4e94", "\u007f"})
  void whatNoFieldCanSayIsNotSaid(String text) {
    server.workloadUid = text;
    Opened opened = open(new ConnectRequest("example.com:8080", text, text, null, text));
    mesh.run(
        () -> {
          assertEquals(
              new ConnectRequest("example.com:8080", null, null, null, null),
              server.connects.getFirst().request());
          assertEquals("k8s.namespace.name=echo", opened.baggage);
        });
  }

  @Test
  void manyMegabytesOfAllSizesArriveIntact() {
    long seed = System.nanoTime();
    System.out.println("seed " + seed);
    Random random = new Random(seed);
    Opened opened = open(Loopback.connect("10.0.0.1:80"));
    byte[] sent = new byte[24 << 20];
    random.nextBytes(sent);
    Runnable writer = new PieceWriter(opened.tunnel(), sent, random);
    opened.listener.onWritable = writer;
    mesh.run(writer);
    mesh.await("finish", opened.listener::isOver);
    assertArrayEquals(sent, opened.listener.payload.toByteArray());
    assertEquals("finished", opened.listener.events.getLast());
  }
}
