package io.ztunnel.redirection;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.netty.channel.Channel;
import io.netty.channel.EventLoop;
import io.ztunnel.redirection.SocketSettings.Keepalive;
import io.ztunnel.redirection.SocketSettings.Transparency;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.OptionalInt;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What happens without the capabilities: threads of this test give theirs away. */
class UnprivilegedTest {
  private static final InetAddress LOCALHOST = InetAddress.ofLiteral("127.0.0.1");

  private NetworkNamespace own;
  private Loops loops;
  private EventLoop loop;

  @BeforeEach
  void start() throws Exception {
    Privileges.assumeLab(); // root, to have something to give away
    own = NetworkNamespace.current();
    loops = new Loops(Transport.EPOLL);
    loop = loops.next();
    Loops.await(loop.submit(Capabilities::dropForThisThread));
  }

  @AfterEach
  void stop() {
    if (own != null) {
      loops.close();
      own.close();
    }
  }

  @Test
  void missingCapabilitiesAreNamed() throws Exception {
    FutureTask<IOException> check =
        new FutureTask<>(
            () -> {
              Capabilities.dropForThisThread();
              return assertThrows(IOException.class, Permissions::check);
            });
    Thread.ofPlatform().start(check);
    assertEquals(
        "setns: Operation not permitted (os error 1) (expected: the capabilities CAP_SYS_ADMIN,"
            + " CAP_NET_ADMIN and CAP_NET_RAW)",
        check.get(5, TimeUnit.SECONDS).getMessage());
  }

  @Test
  void listenerThatMustBeTransparentFails() throws Exception {
    Throwable failure =
        Loops.awaitFailure(
            factory(OptionalInt.empty(), Transparency.REQUIRED)
                .listen(
                    loop,
                    loops.group(),
                    ListenerSettings.at(new InetSocketAddress(LOCALHOST, 0)),
                    new QuietHandler()));
    assertEquals(
        "java.io.IOException: failed to bind to address 127.0.0.1:0: cannot set IP_TRANSPARENT to"
            + " 1: setsockopt() failed: Operation not permitted",
        failure.toString());
  }

  @Test
  void listenerThatMayBeTransparentTellsThatItIsNot() throws Exception {
    Channel listener =
        Loops.await(
            factory(OptionalInt.empty(), Transparency.BEST_EFFORT)
                .listen(
                    loop,
                    loops.group(),
                    ListenerSettings.at(new InetSocketAddress(LOCALHOST, 0)),
                    new QuietHandler()));
    assertFalse(SocketFactory.isTransparent(listener));
  }

  @Test
  void markThatCannotBeSetFailsTheConnection() throws Exception {
    Throwable failure =
        Loops.awaitFailure(
            factory(OptionalInt.of(1337), Transparency.NEVER)
                .connect(
                    loop,
                    new InetSocketAddress(LOCALHOST, 1),
                    null,
                    new QuietHandler(),
                    Duration.ofSeconds(5)));
    assertEquals(
        "java.io.IOException: cannot set SO_MARK to 1337: setsockopt() failed: Operation not permitted",
        failure.toString());
  }

  @Test
  void foreignSourceThatCannotBeHadIsDoneWithout() throws Exception {
    // Freebind alone needs no capability, but a multicast address cannot be bound at all.
    InetAddress impossible = InetAddress.ofLiteral("255.255.255.255");
    try (ServerSocket server = new ServerSocket(0, 1, LOCALHOST)) {
      server.setSoTimeout(5_000);
      Loops.await(
          factory(OptionalInt.empty(), Transparency.NEVER)
              .connect(
                  loop,
                  new InetSocketAddress(LOCALHOST, server.getLocalPort()),
                  impossible,
                  new QuietHandler(),
                  Duration.ofSeconds(5)));
      try (Socket accepted = server.accept()) {
        assertEquals(LOCALHOST, accepted.getInetAddress());
      }
    }
  }

  @Test
  void threadThatCannotLeaveANamespaceEndsTheProcess() throws Exception {
    try (Lab lab = Lab.create("trap")) {
      Path netns = lab.addNode().netns();
      Lab.Output output =
          LabCommand.runAnyway(
              Duration.ofSeconds(20),
              "",
              List.of(
                  Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                  "--enable-native-access=ALL-UNNAMED",
                  "-cp",
                  System.getProperty("java.class.path"),
                  TrappedThread.class.getName(),
                  netns.toString()));
      assertEquals(1, output.exitStatus(), output::toString);
      assertEquals("", output.out());
      assertTrue(
          output.err().startsWith("fatal: a thread cannot leave network namespace "),
          output::toString);
    }
  }

  private SocketFactory factory(OptionalInt mark, Transparency transparency) {
    Keepalive keepalive = new Keepalive(true, Duration.ofMinutes(3), Duration.ofMinutes(3), 9);
    return new SocketFactory(
        Transport.EPOLL,
        own,
        new SocketSettings(true, mark, false, transparency, keepalive, false));
  }
}
