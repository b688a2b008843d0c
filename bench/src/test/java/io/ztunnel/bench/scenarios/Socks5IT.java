package io.ztunnel.bench.scenarios;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.bench.lab.Daemon;
import io.ztunnel.redirection.Lab;
import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.util.HexFormat;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The SOCKS5 port that a pod gets when it is asked for. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class Socks5IT {
  private static final int PORT = 8080;
  static final int SOCKS_PORT = 15080;
  static final String GREETING = "050100";
  private static final String GREETED = "0500";
  private static final String SUCCEEDED = "05000001000000000000";
  private static final String NOT_SUPPORTED = "05070001000000000000";

  private Scene scene;
  private Lab.Pod client;
  private Lab.Pod server;
  private Daemon daemon;

  @BeforeAll
  void start() throws Exception {
    scene = Scene.create("socks");
    Lab.Node node = scene.lab().addNode();
    client = scene.pod(node, "client");
    server = scene.pod(node, "server");
    scene.service(Entry.service("web", "10.96.0.1", "{80: 8080}"));
    scene.workload(
        Entry.workload("endpoint")
            .with("node", Daemon.nodeName(node))
            .with("protocol", "TCP")
            .with("workloadIps", "[" + node.ipv4().getHostAddress() + "]")
            .serving("web", 80, PORT));
    scene.app(server, PORT, App.ECHO_TWICE);
    scene.app(node, PORT, App.saying("web"));
    daemon =
        scene.daemon(
            node,
            Map.of("UNSTABLE_ENABLE_SOCKS5", "true", "ISTIO_META_DNS_CAPTURE", "false"),
            client,
            server);
  }

  @AfterAll
  void stop() throws Exception {
    if (scene != null) {
      scene.close();
    }
  }

  private Socket connect() throws IOException {
    return PodSockets.connect(client, InetAddress.ofLiteral("127.0.0.1"), SOCKS_PORT);
  }

  static void send(Socket socket, String hex) throws IOException {
    socket.getOutputStream().write(HexFormat.of().parseHex(hex));
  }

  private static String receive(Socket socket, int bytes) throws IOException {
    return HexFormat.of().formatHex(socket.getInputStream().readNBytes(bytes));
  }

  /** A request to connect there, in hex. */
  static String request(String type, InetAddress address, int port) {
    return "050100"
        + type
        + HexFormat.of().formatHex(address.getAddress())
        + HexFormat.of().toHexDigits((short) port);
  }

  private String call(String type, InetAddress address, int port) throws IOException {
    try (Socket socket = connect()) {
      send(socket, GREETING);
      assertEquals(GREETED, receive(socket, 2));
      send(socket, request(type, address, port));
      assertEquals(SUCCEEDED, receive(socket, 10));
      PodSockets.say(socket, "hello world");
      socket.shutdownOutput();
      return new String(socket.getInputStream().readAllBytes(), UTF_8);
    }
  }

  @Test
  void aCallToAnAddressIsAnOutboundOneLikeAnyOther() throws Exception {
    Journal log = Journal.of(daemon);
    assertEquals("hello worldhello world", call("01", server.ipv4(), PORT));
    String line = log.await("direction=\"outbound\"");
    assertTrue(
        line.contains(
            "dst.addr=%1$s:15008 dst.hbone_addr=%1$s:8080"
                .formatted(server.ipv4().getHostAddress())),
        line);
    assertTrue(line.contains("dst.identity=\"" + Entry.identity(server) + "\""), line);
  }

  @Test
  void anIpv6AddressIsTaken() throws Exception {
    assertEquals("hello worldhello world", call("04", server.ipv6(), PORT));
  }

  @Test
  void aServiceIsTaken() throws Exception {
    assertEquals("web", call("01", InetAddress.ofLiteral("10.96.0.1"), 80));
  }

  @Test
  void requestsMayComeInOnePacket() throws Exception {
    try (Socket socket = connect()) {
      send(
          socket,
          GREETING
              + request("01", server.ipv4(), PORT)
              + HexFormat.of().formatHex("hello world".getBytes(UTF_8)));
      socket.shutdownOutput();
      assertEquals(
          GREETED + SUCCEEDED + HexFormat.of().formatHex("hello worldhello world".getBytes(UTF_8)),
          HexFormat.of().formatHex(socket.getInputStream().readAllBytes()));
    }
  }

  @ParameterizedTest(name = "{1}")
  @CsvSource({
    "040100,            a wrong version in the greeting",
    "0500,              no authentication method",
    "050102,            a method that is not none",
  })
  void aBadGreetingIsAnswered7(String greeting, String why) throws Exception {
    isRefused("", greeting);
  }

  @ParameterizedTest(name = "{1}")
  @CsvSource({
    "0401000108080808 0050,                       a wrong version in the request",
    "0502000108080808 0050,                       another command than CONNECT",
    "05010002 0050,                               an unknown kind of address",
    "05010003 0b 6578616d706c652e636f6d 0050,     a name without the DNS proxy",
  })
  void aBadRequestIsAnswered7(String request, String why) throws Exception {
    isRefused(GREETING, request.replace(" ", ""));
  }

  /** Sends both parts, the second once the first is answered; expects code 7 and the end. */
  private void isRefused(String first, String second) throws IOException {
    Journal log = Journal.of(daemon);
    try (Socket socket = connect()) {
      if (!first.isEmpty()) {
        send(socket, first);
        assertEquals(GREETED, receive(socket, 2));
      }
      send(socket, second);
      assertEquals(NOT_SUPPORTED, receive(socket, 10));
      assertEquals(-1, socket.getInputStream().read());
    }
    String line = log.awaitAny("failed to negotiate socks connection");
    assertTrue(line.contains("\twarn\t"), line);
  }
}
