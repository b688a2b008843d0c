package io.ztunnel.proxy;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.PooledByteBufAllocator;
import io.netty.channel.RecvByteBufAllocator;
import io.netty.channel.embedded.EmbeddedChannel;
import io.netty.util.NetUtil;
import io.netty.util.concurrent.DefaultPromise;
import io.netty.util.concurrent.ImmediateEventExecutor;
import io.netty.util.concurrent.Promise;
import io.ztunnel.hbone.SocketReads;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class Socks5NegotiationTest {
  private static final String GREETING = "05 01 00";
  private static final String GREETED = "0500";
  private static final String TO_IPV4 = "05 01 00 01 0a000007 0050";
  private static final String TO_IPV6 = "05 01 00 04 fd000000000000000000000000000007 1f90";
  private static final String SUCCEEDED = "05000001000000000000";
  private static final String TO_NAME = "05 01 00 03 07 77656220c3a974 0050"; // 7 bytes, then 80
  private static final String UNREACHABLE = "05040001000000000000";
  private static final String NOT_SUPPORTED = "05070001000000000000";

  private final List<InetSocketAddress> targets = new ArrayList<>();
  private final List<String> hosts = new ArrayList<>();
  private final Promise<List<InetAddress>> found =
      new DefaultPromise<>(ImmediateEventExecutor.INSTANCE);
  private final EmbeddedChannel channel = new EmbeddedChannel();

  @SuppressWarnings("deprecation") // the interface's only way to make a handle
  private final RecvByteBufAllocator.Handle reads = SocketReads.ofPayload().newHandle();

  @BeforeEach
  void begin() {
    channel.freezeTime();
    channel.pipeline().addLast(new Socks5Negotiation(null, targets::add));
    channel.config().setAutoRead(true);
  }

  /** Takes names from now on; their addresses come when the test says so. */
  private void takeNames() {
    channel
        .pipeline()
        .replace(
            Socks5Negotiation.class,
            "named",
            new Socks5Negotiation(
                (_, host) -> {
                  hosts.add(host);
                  return found;
                },
                targets::add));
    receive(GREETING);
    assertEquals(GREETED, sent());
  }

  @AfterEach
  void end() {
    channel.finishAndReleaseAll();
  }

  /** Bytes as one read of the socket brings them. */
  private void receive(byte[] bytes) {
    channel.writeInbound(reads.allocate(PooledByteBufAllocator.DEFAULT).writeBytes(bytes));
  }

  private void receive(String hex) {
    receive(ByteBufUtil.decodeHexDump(hex.replace(" ", "")));
  }

  /** What was sent since the last look, in hex. */
  private String sent() {
    StringBuilder hex = new StringBuilder();
    for (ByteBuf out = channel.readOutbound(); out != null; out = channel.readOutbound()) {
      hex.append(ByteBufUtil.hexDump(out));
      out.release();
    }
    return hex.toString();
  }

  /** What was passed on since the last look, in hex. */
  private String passedOn() {
    StringBuilder hex = new StringBuilder();
    for (ByteBuf in = channel.readInbound(); in != null; in = channel.readInbound()) {
      hex.append(ByteBufUtil.hexDump(in));
      in.release();
    }
    return hex.toString();
  }

  private void assertHandedOver(String target) {
    assertEquals(List.of(target), targets.stream().map(NetUtil::toSocketAddressString).toList());
    assertNull(channel.pipeline().get(Socks5Negotiation.class));
    assertFalse(channel.config().isAutoRead(), "reads before the upstream stands");
    assertTrue(channel.isOpen());
    channel.advanceTimeBy(1, TimeUnit.HOURS);
    channel.runPendingTasks();
    assertTrue(channel.isOpen(), "the deadline of the opening is still there");
    assertEquals("", sent());
  }

  private void assertRefused() {
    assertEquals(List.of(), targets);
    assertFalse(channel.isOpen());
    assertEquals("", passedOn());
  }

  @ParameterizedTest(name = "{1}")
  @CsvSource({TO_IPV4 + ", 10.0.0.7:80", TO_IPV6 + ", '[fd00::7]:8080'"})
  void aClientThatWaitsForEachAnswerIsConnected(String request, String target) {
    receive(GREETING);
    assertEquals(GREETED, sent());
    receive(request);
    assertEquals(SUCCEEDED, sent());
    assertHandedOver(target);
    assertEquals("", passedOn());
  }

  @ParameterizedTest(name = "{1}")
  @CsvSource({TO_IPV4 + ", 10.0.0.7:80", TO_IPV6 + ", '[fd00::7]:8080'"})
  void bytesThatComeOneByOneAreTheSame(String request, String target) {
    for (byte b : ByteBufUtil.decodeHexDump((GREETING + request).replace(" ", ""))) {
      assertEquals(List.of(), targets);
      receive(new byte[] {b});
    }
    assertEquals(GREETED + SUCCEEDED, sent());
    assertHandedOver(target);
  }

  @Test
  void aClientThatDoesNotWaitIsConnectedAndItsBytesArePassedOn() {
    receive(GREETING + TO_IPV4 + "cafe");
    assertEquals(GREETED + SUCCEEDED, sent());
    assertEquals("cafe", passedOn());
    assertHandedOver("10.0.0.7:80");
  }

  @Test
  void manyBytesBehindAnOpeningThatCameInPiecesArePassedOn() {
    byte[] opening = ByteBufUtil.decodeHexDump((GREETING + TO_IPV4).replace(" ", ""));
    receive(new byte[] {opening[0]});
    byte[] rest = new byte[(2 << 10) - 9]; // as much as one read brings
    System.arraycopy(opening, 1, rest, 0, opening.length - 1);
    receive(rest);
    assertEquals(GREETED + SUCCEEDED, sent());
    assertEquals(2 * (rest.length - opening.length + 1), passedOn().length());
    assertHandedOver("10.0.0.7:80");
  }

  @Test
  void theReservedByteIsNotLookedAt() {
    receive(GREETING + TO_IPV4.replace("05 01 00 01", "05 01 ff 01"));
    assertHandedOverAfterAnswers();
  }

  @Test
  void noAuthenticationIsChosenWhereverItIsOffered() {
    receive("05 ff " + "02".repeat(254) + "00");
    assertEquals(GREETED, sent());
    receive(TO_IPV4);
    assertEquals(SUCCEEDED, sent());
    assertHandedOver("10.0.0.7:80");
  }

  private void assertHandedOverAfterAnswers() {
    assertEquals(GREETED + SUCCEEDED, sent());
    assertHandedOver("10.0.0.7:80");
  }

  @ParameterizedTest(name = "{1}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          04 01 00      | version 4
          47 45 54      | HTTP
          05 00         | no method
          05 01 02      | a password is wanted
          05 02 01 02   | two methods, neither will do
          """)
  void aGreetingThatWillNotDoIsRefused(String greeting, String why) {
    receive(greeting);
    assertEquals(NOT_SUPPORTED, sent(), why);
    assertRefused();
  }

  @ParameterizedTest(name = "{1}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          04 01 00 01 0a000007 0050    | version 4
          05 02 00 01 0a000007 0050    | BIND
          05 03 00 01 0a000007 0050    | UDP
          05 01 00 03 026462 0050      | a name
          05 01 00 03                  | the beginning of a name
          05 01 00 00 0a000007 0050    | address type 0
          05 01 00 05 0a000007 0050    | address type 5
          """)
  void aRequestThatWillNotDoIsRefused(String request, String why) {
    receive(GREETING);
    assertEquals(GREETED, sent());
    receive(request);
    assertEquals(NOT_SUPPORTED, sent(), why);
    assertRefused();
  }

  @ParameterizedTest(name = "after {0}")
  @ValueSource(strings = {"", "05", "05 02 00", GREETING, GREETING + "05 01 00 01 0a0000"})
  void whoeverIsSlowIsRefusedAfterTenSeconds(String begin) {
    if (!begin.isEmpty()) {
      receive(begin);
    }
    String ignored = sent();
    assertTrue(ignored.isEmpty() || ignored.equals(GREETED));
    channel.advanceTimeBy(9_999, TimeUnit.MILLISECONDS);
    channel.runPendingTasks();
    assertTrue(channel.isOpen());
    channel.advanceTimeBy(1, TimeUnit.MILLISECONDS);
    channel.runPendingTasks();
    assertEquals(NOT_SUPPORTED, sent());
    assertRefused();
  }

  @Test
  void aNameIsResolvedAndItsFirstAddressTaken() {
    takeNames();
    receive(TO_NAME + "cafe");
    assertEquals(List.of("web \u00e9t"), hosts);
    assertFalse(channel.config().isAutoRead(), "reads while it resolves");
    assertEquals("", sent());
    found.setSuccess(List.of(InetAddress.ofLiteral("10.0.0.7"), InetAddress.ofLiteral("10.0.0.8")));
    assertEquals(SUCCEEDED, sent());
    assertEquals("cafe", passedOn());
    assertHandedOver("10.0.0.7:80");
  }

  @Test
  void bytesOfANameThatComeOneByOneAreTheSame() {
    takeNames();
    for (byte b : ByteBufUtil.decodeHexDump(TO_NAME.replace(" ", ""))) {
      assertEquals(List.of(), hosts);
      receive(new byte[] {b});
    }
    found.setSuccess(List.of(InetAddress.ofLiteral("10.0.0.7")));
    assertEquals(SUCCEEDED, sent());
    assertHandedOver("10.0.0.7:80");
  }

  @Test
  void aNameThatHasNoAddressIsAnswered4() {
    takeNames();
    receive(TO_NAME);
    found.setFailure(new UnknownHostException("no such name"));
    assertEquals(UNREACHABLE, sent());
    assertRefused();
  }

  @Test
  void aNameThatIsNotResolvedInTimeIsAnswered4AndItsAddressesComeTooLate() {
    takeNames();
    receive(TO_NAME);
    channel.advanceTimeBy(10, TimeUnit.SECONDS);
    channel.runPendingTasks();
    assertEquals(UNREACHABLE, sent());
    found.setSuccess(List.of(InetAddress.ofLiteral("10.0.0.7")));
    assertRefused();
  }

  @Test
  void aClientThatLeavesDoesNotWaitForItsName() {
    takeNames();
    receive(TO_NAME);
    channel.close();
    found.setSuccess(List.of(InetAddress.ofLiteral("10.0.0.7")));
    assertEquals("", sent());
    assertEquals(List.of(), targets);
  }

  @ParameterizedTest(name = "{1}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          05 01 00 03 00 0050      | nothing
          05 01 00 03 02 c328 0050 | other bytes than UTF-8
          """)
  void aNameThatIsNoneIsRefused(String request, String why) {
    takeNames();
    receive(request);
    assertEquals(NOT_SUPPORTED, sent(), why);
    assertRefused();
  }

  @Test
  void aClientThatLeavesTakesItsBytesAndItsDeadlineWithIt() {
    receive("05 02");
    channel.close();
    channel.runPendingTasks();
    assertEquals(-1, channel.runScheduledPendingTasks(), "a timer is left");
    assertEquals("", sent());
    assertEquals(List.of(), targets);
  }
}
