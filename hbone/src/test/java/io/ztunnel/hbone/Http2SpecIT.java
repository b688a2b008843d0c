package io.ztunnel.hbone;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.netty.channel.socket.SocketChannel;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.zip.GZIPInputStream;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.w3c.dom.Element;

/**
 * Runs h2spec, strict cases included, against the server's HTTP/2 pipeline. It goes without TLS,
 * because h2spec has no client certificate to show; its requests are GET and POST, so the owner
 * here accepts any method and echoes.
 */
class Http2SpecIT {
  /** Cases that cannot pass here, and why. One that passes all the same fails the test. */
  private static final Map<String, String> NOT_APPLICABLE =
      Map.of(
          "http2/8.1.2.6: Sends a HEADERS frame with the \"content-length\" header field which does"
              + " not equal the DATA frame payload length",
          "what CONNECT carries has no content-length, and other methods are refused unread",
          "http2/8.1.2.6: Sends a HEADERS frame with the \"content-length\" header field which does"
              + " not equal the sum of the multiple DATA frames payload length",
          "as above");

  /** Long enough for a client to have its streams open at the same time. */
  private static final int ANSWER_MILLIS = 50;

  @TempDir private Path dir;

  @Test
  @Timeout(value = 5, unit = TimeUnit.MINUTES)
  void conforms() throws Exception {
    assumeTrue(System.getProperty("os.arch").equals("amd64"), "h2spec is there for amd64 only");
    Path report = dir.resolve("report.xml");
    try (Loopback mesh = new Loopback()) {
      InetSocketAddress address = mesh.listen(Http2SpecIT::serve);
      Path log = dir.resolve("h2spec.log");
      Process h2spec =
          new ProcessBuilder(
                  extract().toString(),
                  "--strict",
                  "-h",
                  address.getAddress().getHostAddress(),
                  "-p",
                  String.valueOf(address.getPort()),
                  "-o",
                  "2",
                  "-j",
                  report.toString())
              .redirectErrorStream(true)
              .redirectOutput(log.toFile())
              .start();
      try {
        assertTrue(h2spec.waitFor(4, TimeUnit.MINUTES), "h2spec did not end");
      } finally {
        h2spec.destroyForcibly();
      }
      System.out.println(Files.readString(log));
    }
    Map<String, String> failed = failures(report);
    assertEquals(NOT_APPLICABLE.keySet(), failed.keySet(), failed::toString);
  }

  private static Object serve(SocketChannel channel) {
    // The smallest frame size, so that h2spec has frames above it.
    ServerConnection connection =
        new ServerConnection(
            channel,
            TestSettings.frameSize(16_384),
            new SlowEchoHandler(channel),
            HboneObserver.NONE);
    channel.pipeline().addLast(connection.http2());
    connection.onSecured(new TlsPeer(List.of(), List.of()));
    channel.config().setAutoRead(true);
    return connection;
  }

  /** Answers a little later. Confined to the loop. */
  private static final class SlowEchoHandler extends EchoHandler {
    private final SocketChannel channel;

    SlowEchoHandler(SocketChannel channel) {
      this.channel = channel;
    }

    @Override
    public void onConnect(InboundConnect connect) {
      channel
          .eventLoop()
          .schedule(() -> super.onConnect(connect), ANSWER_MILLIS, TimeUnit.MILLISECONDS);
    }
  }

  /** Names of the cases that failed, with what was expected and found. */
  private static Map<String, String> failures(Path report) throws Exception {
    var cases =
        DocumentBuilderFactory.newInstance()
            .newDocumentBuilder()
            .parse(report.toFile())
            .getElementsByTagName("testcase");
    Map<String, String> failed = new TreeMap<>();
    Set<String> all = new TreeSet<>();
    for (int i = 0; i < cases.getLength(); i++) {
      Element one = (Element) cases.item(i);
      String name = one.getAttribute("package") + ": " + one.getAttribute("classname");
      all.add(name);
      if (one.getElementsByTagName("failure").getLength() > 0
          || one.getElementsByTagName("error").getLength() > 0) {
        failed.put(name, one.getTextContent().strip());
      }
    }
    assertTrue(all.size() > 140, "h2spec ran only " + all.size() + " cases");
    return failed;
  }

  /** The program, out of the archive on the class path: one file in a gzipped tar. */
  private Path extract() throws IOException {
    Path program = dir.resolve("h2spec");
    try (InputStream archive =
            Http2SpecIT.class.getResourceAsStream("/h2spec/2.2.0/h2spec_linux_amd64.tar.gz");
        InputStream tar = new GZIPInputStream(archive)) {
      byte[] header = tar.readNBytes(512);
      int size =
          Integer.parseInt(new String(header, 124, 11, StandardCharsets.US_ASCII).strip(), 8);
      Files.write(program, tar.readNBytes(size));
    }
    assertTrue(program.toFile().setExecutable(true));
    return program;
  }
}
