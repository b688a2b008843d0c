package io.ztunnel.proxy;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import io.netty.channel.embedded.EmbeddedChannel;
import io.netty.handler.codec.DecoderException;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.SNIHostName;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLParameters;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class ServerNamePeekTest {
  private final List<String> told = new ArrayList<>();
  private final EmbeddedChannel channel = new EmbeddedChannel();

  ServerNamePeekTest() {
    channel.freezeTime();
    channel.config().setAutoRead(false);
    ServerNamePeek.begin(
        channel,
        Duration.ofSeconds(10),
        new ServerNamePeek.Listener() {
          @Override
          public void onServerName(@Nullable String name) {
            told.add("name " + name);
          }

          @Override
          public void onNoServerName(String reason) {
            told.add("none: " + reason);
          }
        });
  }

  @AfterEach
  void close() {
    channel.finishAndReleaseAll();
  }

  private static byte[] clientHello(@Nullable String name) throws Exception {
    SSLEngine engine = SSLContext.getDefault().createSSLEngine();
    engine.setUseClientMode(true);
    if (name != null) {
      SSLParameters parameters = engine.getSSLParameters();
      parameters.setServerNames(List.of(new SNIHostName(name)));
      engine.setSSLParameters(parameters);
    }
    ByteBuffer hello = ByteBuffer.allocate(engine.getSession().getPacketBufferSize());
    engine.wrap(ByteBuffer.allocate(0), hello);
    byte[] bytes = new byte[hello.flip().remaining()];
    hello.get(bytes);
    return bytes;
  }

  private void say(byte[] bytes, int chunk) {
    for (int at = 0; at < bytes.length; at += chunk) {
      channel.writeInbound(Unpooled.copiedBuffer(bytes, at, Math.min(chunk, bytes.length - at)));
    }
  }

  private byte[] passedOn() {
    ByteBuf all = Unpooled.buffer();
    for (ByteBuf part = channel.readInbound(); part != null; part = channel.readInbound()) {
      all.writeBytes(part);
      part.release();
    }
    byte[] bytes = ByteBufUtil.getBytes(all);
    all.release();
    return bytes;
  }

  @ParameterizedTest(name = "in pieces of {0} bytes")
  @ValueSource(ints = {1, 7, 100_000})
  void theNameIsFoundAndTheBytesGoOnUntouched(int chunk) throws Exception {
    byte[] hello = clientHello("Istiod.istio-system.svc");
    say(hello, chunk);
    say(new byte[] {1, 2, 3}, 3);
    assertEquals(List.of("name istiod.istio-system.svc"), told);
    byte[] passed = passedOn();
    assertEquals(hello.length + 3, passed.length);
    assertArrayEquals(hello, Arrays.copyOf(passed, hello.length));
    assertTrue(channel.isOpen());
    channel.advanceTimeBy(11, TimeUnit.SECONDS);
    channel.runScheduledPendingTasks();
    assertTrue(channel.isOpen(), "no deadline any more");
  }

  @Test
  void aHelloMayNameNobody() throws Exception {
    say(clientHello(null), 50);
    assertEquals(List.of("name null"), told);
  }

  @Test
  void whatIsNotTlsHasNoName() {
    say("GET / HTTP/1.1\r\n\r\n".getBytes(US_ASCII), 100);
    assertEquals(List.of("name null"), told);
  }

  @Test
  void aHelloThatDoesNotEndInTimeIsGivenUp() {
    say(new byte[] {22, 3, 1, 2}, 4);
    channel.advanceTimeBy(9, TimeUnit.SECONDS);
    channel.runScheduledPendingTasks();
    assertTrue(channel.isOpen() && told.isEmpty(), told::toString);
    channel.advanceTimeBy(2, TimeUnit.SECONDS);
    channel.runScheduledPendingTasks();
    assertEquals(List.of("none: handshake timed out after 10000ms"), told);
    assertFalse(channel.isOpen());
  }

  @Test
  void aHelloThatIsTooLongIsRefused() {
    byte[] hello = new byte[100];
    hello[0] = 22;
    hello[1] = 3;
    hello[4] = 95;
    hello[5] = 1; // ClientHello
    hello[6] = 1; // of 64 KiB
    try {
      say(hello, 100);
    } catch (DecoderException e) {
      // The embedded channel shows what nobody handles; a leg keeps it.
    }
    assertEquals(1, told.size());
    assertTrue(
        told.getFirst().startsWith("none: ClientHello length exceeds 16384"), told::toString);
    assertFalse(channel.isOpen());
  }

  @Test
  void aHelloWithDamagesHasItsNameOrNone() throws Exception {
    long seed = new Random().nextLong();
    System.out.println("seed " + seed);
    Random random = new Random(seed);
    byte[] good = clientHello("istiod.istio-system.svc");
    for (int round = 0; round < 2_000; round++) {
      byte[] bad = good.clone();
      for (int i = random.nextInt(6); i >= 0; i--) {
        bad[random.nextInt(bad.length)] = (byte) random.nextInt();
      }
      ServerNamePeekTest peek = new ServerNamePeekTest();
      try {
        peek.say(bad, 1 + random.nextInt(bad.length));
      } catch (DecoderException e) {
        // As above.
      }
      peek.channel.advanceTimeBy(11, TimeUnit.SECONDS);
      peek.channel.runScheduledPendingTasks();
      assertEquals(1, peek.told.size(), peek.told + ", seed " + seed);
      peek.close();
    }
  }
}
