package io.ztunnel.bench.scenarios;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.bench.lab.Daemon;
import io.ztunnel.redirection.Lab;
import java.io.DataInputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.util.HexFormat;
import java.util.Map;
import java.util.TreeSet;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;

/**
 * Calls that go through a waypoint: a captured pod whose proxy hands it tunnels with a PROXY header
 * or without, and which calls the server by itself, through its own proxy.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class WaypointsIT {
  private static final int PORT = 8080;
  private static final int PROXY_PORT = 15088;
  private static final String BY_ADDRESS = "10.96.0.1";
  private static final String BY_NAME = "10.96.0.2";
  private static final String WEIGHTED = "10.96.0.3";
  private static final String ONE_SIDED = "10.96.0.4";
  private static final String LOST = "10.96.0.5";
  private static final Pattern SOURCE_PORT = Pattern.compile("src\\.addr=\\S+:([0-9]+) ");

  private final BlockingQueue<byte[]> headers = new LinkedBlockingQueue<>();
  private Scene scene;
  private Lab.Pod client;
  private Lab.Pod server;
  private Lab.Pod named;
  private Lab.Pod plainServer;
  private Lab.Pod waypoint;
  private Lab.Pod plainWaypoint;
  private Daemon daemon1;
  private Daemon daemon2;
  private App serverApp;

  @BeforeAll
  void start() throws Exception {
    scene = Scene.create("waypoints");
    Lab.Node node1 = scene.lab().addNode();
    Lab.Node node2 = scene.lab().addNode();
    client = scene.pod(node1, "client");
    server = node2.addPod("server");
    named = node2.addPod("named");
    plainServer = node2.addPod("plainserver");
    waypoint = node2.addPod("waypoint");
    plainWaypoint = node1.addPod("plain");
    Lab.Pod other = node1.addPod("other");

    String tunnel = "{protocol: PROXY, port: " + PROXY_PORT + "}";
    String address = "/" + waypoint.ipv4().getHostAddress();
    String gate = "shop/" + Entry.hostname("gate");
    scene.workload(Entry.workload(server, server.ipv4(), server.ipv6()).waypoint(address));
    scene.workload(Entry.workload(named, named.ipv4(), named.ipv6()).waypoint(gate));
    scene.workload(
        Entry.workload(plainServer, plainServer.ipv4())
            .waypoint("/" + plainWaypoint.ipv4().getHostAddress()));
    scene.workload(
        Entry.workload(waypoint, waypoint.ipv4(), waypoint.ipv6())
            .with("applicationTunnel", tunnel)
            .serving("gate", 15008, 15008));
    scene.workload(
        Entry.workload(plainWaypoint, plainWaypoint.ipv4())
            .with("applicationTunnel", "{protocol: NONE}"));
    scene.workload(Entry.workload(other, other.ipv4()).with("applicationTunnel", tunnel));
    scene.service(Entry.service("gate", "10.96.0.100", "{15008: 15008}"));
    scene.service(Entry.service("byaddress", BY_ADDRESS, "{80: 8080}").waypoint(address));
    scene.service(Entry.service("byname", BY_NAME, "{80: 8080}").waypoint(gate));
    String secondAddress = "/" + other.ipv4().getHostAddress();
    scene.service(
        Entry.service("weighted", WEIGHTED, "{80: 8080}")
            .with("weightedWaypoints", weighted(address, 1, secondAddress, 1)));
    scene.service(
        Entry.service("onesided", ONE_SIDED, "{80: 8080}")
            .with("weightedWaypoints", weighted(address, 0, secondAddress, 1)));
    scene.service(Entry.service("lost", LOST, "{80: 8080}").waypoint("/10.9.9.9"));

    serverApp = scene.app(server, PORT, App.ECHO_TWICE);
    scene.app(named, PORT, App.saying("named"));
    scene.app(plainServer, PORT, App.saying("plain server"));
    scene.app(waypoint, PROXY_PORT, this::actAsWaypoint);
    scene.app(other, PROXY_PORT, App.saying("other waypoint"));
    scene.app(
        plainWaypoint,
        PORT,
        peer -> {
          String said = new String(peer.getInputStream().readAllBytes(), UTF_8);
          String reply = PodSockets.exchange(plainWaypoint, plainServer.ipv4(), PORT, said);
          peer.getOutputStream().write(("plain waypoint, " + reply).getBytes(UTF_8));
        });
    daemon1 = scene.daemon(node1, Map.of(), client, plainWaypoint, other);
    daemon2 = scene.daemon(node2, Map.of(), server, named, plainServer, waypoint);
  }

  @AfterAll
  void stop() throws Exception {
    if (scene != null) {
      scene.close();
    }
  }

  @BeforeEach
  void forgetHeaders() {
    headers.clear();
  }

  private static String weighted(String one, int weight, String two, int otherWeight) {
    String entry = "{destination: {destination: \"%s\", hboneMtlsPort: 15008}, weight: %d}";
    return "[%s, %s]".formatted(entry.formatted(one, weight), entry.formatted(two, otherWeight));
  }

  /** Reads a PROXY header, keeps it, and passes the rest on to the server. */
  private void actAsWaypoint(Socket peer) throws IOException {
    DataInputStream in = new DataInputStream(peer.getInputStream());
    byte[] fixed = in.readNBytes(16);
    byte[] rest = in.readNBytes(ByteBuffer.wrap(fixed).getShort(14));
    headers.add(ByteBuffer.allocate(fixed.length + rest.length).put(fixed).put(rest).array());
    String said = new String(in.readAllBytes(), UTF_8);
    String reply = "waypoint\n" + PodSockets.exchange(waypoint, server.ipv4(), PORT, said);
    peer.getOutputStream().write(reply.getBytes(UTF_8));
  }

  private String call(InetAddress address, int port) throws IOException {
    return PodSockets.exchange(client, address, port, "hello world");
  }

  private static final String THROUGH_WAYPOINT = "waypoint\nhello worldhello world";

  /** The header as hex, after one call. */
  private String header() throws InterruptedException {
    byte[] header = headers.poll(10, TimeUnit.SECONDS);
    assertTrue(header != null, "no PROXY header came");
    return hex(header);
  }

  private static String hex(byte[] bytes) {
    return HexFormat.of().formatHex(bytes);
  }

  private static String hex(int number) {
    return HexFormat.of().toHexDigits((short) number);
  }

  /** What the waypoint's proxy tells it of a call of the client. */
  private String expected(String family, String addresses) {
    byte[] identity = Entry.identity(client).getBytes(UTF_8);
    String tlv = "d0" + hex(identity.length) + hex(identity);
    return "0d0a0d0a000d0a515549540a"
        + "21"
        + family
        + hex((addresses.length() + tlv.length()) / 2)
        + addresses
        + tlv;
  }

  /** The two addresses and ports, the client's port taken from the log of the waypoint's proxy. */
  private static String addresses(
      InetAddress source, InetAddress destination, int port, String inboundLine) {
    Matcher matcher = SOURCE_PORT.matcher(inboundLine);
    assertTrue(matcher.find(), inboundLine);
    return hex(source.getAddress())
        + hex(destination.getAddress())
        + hex(Integer.parseInt(matcher.group(1)))
        + hex(port);
  }

  @Test
  void aPodsWaypointGetsTheCallAndCallsThePod() throws Exception {
    Journal log1 = Journal.of(daemon1);
    Journal log2 = Journal.of(daemon2);

    assertEquals(THROUGH_WAYPOINT, call(server.ipv4(), PORT));

    String toWaypoint =
        "src.addr=%s:* src.workload=\"client\" src.namespace=\"shop\" src.identity=\"%s\" src.cluster=\"Kubernetes\" dst.addr=%s:15008 dst.hbone_addr=%s:8080 dst.workload=\"waypoint\" dst.namespace=\"shop\" dst.identity=\"%s\" dst.cluster=\"Kubernetes\""
            .formatted(
                client.ipv4().getHostAddress(),
                Entry.identity(client),
                waypoint.ipv4().getHostAddress(),
                server.ipv4().getHostAddress(),
                Entry.identity(waypoint));
    assertEquals(
        "info connection complete "
            + toWaypoint
            + " direction=\"outbound\" bytes_sent=11 bytes_recv=31 duration=\"*\"",
        log1.await("direction=\"outbound\""));
    assertEquals(
        "info connection complete "
            + toWaypoint
            + " direction=\"inbound\" bytes_sent=31 bytes_recv=11 duration=\"*\"",
        log2.await("direction=\"inbound\"", "dst.workload=\"waypoint\""));
    String toServer =
        "src.addr=%s:* src.workload=\"waypoint\" src.namespace=\"shop\" src.identity=\"%s\" src.cluster=\"Kubernetes\" dst.addr=%4$s:15008 dst.hbone_addr=%4$s:8080 dst.workload=\"server\" dst.namespace=\"shop\" dst.identity=\"%3$s\" dst.cluster=\"Kubernetes\""
            .formatted(
                waypoint.ipv4().getHostAddress(),
                Entry.identity(waypoint),
                Entry.identity(server),
                server.ipv4().getHostAddress());
    assertEquals(
        "info connection complete "
            + toServer
            + " direction=\"outbound\" bytes_sent=11 bytes_recv=22 duration=\"*\"",
        log2.await("direction=\"outbound\"", "src.workload=\"waypoint\""));
    assertEquals(
        "info connection complete "
            + toServer
            + " direction=\"inbound\" bytes_sent=22 bytes_recv=11 duration=\"*\"",
        log2.await("direction=\"inbound\"", "dst.workload=\"server\""));
    assertEquals(waypoint.ipv4(), serverApp.clients().getLast().getAddress());
  }

  @Test
  void theWaypointIsToldTheClientAndThePodItMeant() throws Exception {
    Journal log = Journal.of(daemon2);
    assertEquals(THROUGH_WAYPOINT, call(server.ipv4(), PORT));
    String inbound = log.awaitAny("direction=\"inbound\"", "dst.workload=\"waypoint\"");
    assertEquals(expected("11", addresses(client.ipv4(), server.ipv4(), PORT, inbound)), header());
  }

  @Test
  void theWaypointIsToldIpv6Addresses() throws Exception {
    Journal log = Journal.of(daemon2);
    assertEquals(THROUGH_WAYPOINT, call(named.ipv6(), PORT));
    String inbound = log.awaitAny("direction=\"inbound\"", "dst.workload=\"waypoint\"");
    assertEquals(expected("21", addresses(client.ipv6(), named.ipv6(), PORT, inbound)), header());
  }

  @Test
  void theWaypointIsToldNoAddressesOfTwoFamilies() throws Exception {
    // The waypoint is named by an IPv4 address, so the tunnel is IPv4 and its authority is IPv6.
    assertEquals(THROUGH_WAYPOINT, call(server.ipv6(), PORT));
    assertEquals(expected("01", ""), header());
  }

  @Test
  void aServicesWaypointIsToldTheServicesAddress() throws Exception {
    Journal log1 = Journal.of(daemon1);
    Journal log2 = Journal.of(daemon2);
    InetAddress vip = InetAddress.ofLiteral(BY_ADDRESS);

    assertEquals(THROUGH_WAYPOINT, call(vip, 80));

    String inbound = log2.awaitAny("direction=\"inbound\"", "dst.workload=\"waypoint\"");
    assertEquals(expected("11", addresses(client.ipv4(), vip, 80, inbound)), header());
    String outbound = log1.await("direction=\"outbound\"");
    assertTrue(
        outbound.contains(
            "dst.addr=%s:15008 dst.hbone_addr=10.96.0.1:80 dst.service=\"byaddress.shop.svc.cluster.local\" dst.workload=\"waypoint\""
                .formatted(waypoint.ipv4().getHostAddress())),
        outbound);
  }

  @Test
  void aServicesWaypointMayBeNamedByItsHostname() throws Exception {
    Journal log = Journal.of(daemon1);
    assertEquals(THROUGH_WAYPOINT, call(InetAddress.ofLiteral(BY_NAME), 80));
    String outbound = log.await("direction=\"outbound\"");
    assertTrue(outbound.contains("dst.hbone_addr=10.96.0.2:80 "), outbound);
    assertTrue(
        outbound.contains("dst.addr=" + waypoint.ipv4().getHostAddress() + ":15008"), outbound);
  }

  @Test
  void callsAreSpreadOverWeightedWaypoints() throws Exception {
    TreeSet<String> answers = new TreeSet<>();
    // Two equal weights: both are met within 60 calls but once in 2^59 runs.
    for (int i = 0; i < 60 && answers.size() < 2; i++) {
      answers.add(call(InetAddress.ofLiteral(WEIGHTED), 80));
    }
    assertEquals("[other waypoint, " + THROUGH_WAYPOINT + "]", answers.toString());
  }

  @Test
  void aWaypointOfWeightZeroIsNeverUsed() throws Exception {
    for (int i = 0; i < 10; i++) {
      assertEquals("other waypoint", call(InetAddress.ofLiteral(ONE_SIDED), 80));
    }
  }

  @Test
  void aPlainApplicationTunnelKeepsThePortAndAddsNothing() throws Exception {
    assertEquals("plain waypoint, plain server", call(plainServer.ipv4(), PORT));
  }

  @Test
  void nothingGoesAroundAWaypointThatIsNotThere() throws Exception {
    Journal log = Journal.of(daemon1);
    PodSockets.isReset(client, InetAddress.ofLiteral(LOST), 80);
    String line = log.await("dst.addr=" + LOST + ":80");
    assertTrue(line.startsWith("warn connection failed"), line);
    assertTrue(line.contains("error=\"unknown waypoint: waypoint /10.9.9.9 not found\""), line);
  }
}
