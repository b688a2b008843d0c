package io.ztunnel.admin;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.ztunnel.Await;
import io.ztunnel.MetricsText;
import io.ztunnel.metrics.BuildMetrics;
import io.ztunnel.metrics.MeshRegistry;
import io.ztunnel.metrics.Reporter;
import io.ztunnel.metrics.SeriesBounds;
import io.ztunnel.metrics.TrafficLabels;
import io.ztunnel.metrics.TrafficLabels.Peer;
import io.ztunnel.metrics.TrafficLabels.SecurityPolicy;
import io.ztunnel.metrics.TrafficLabels.ServiceName;
import io.ztunnel.metrics.TrafficMetrics;
import io.ztunnel.metrics.TrafficSeries;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.zip.GZIPInputStream;
import java.util.zip.InflaterInputStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class StatsServerTest {
  @RegisterExtension static final ServerLoops LOOPS = new ServerLoops();

  private static final String BODY =
      """
      # HELP istio_build Istio component build info.
      # TYPE istio_build gauge
      istio_build{component="ztunnel",tag="1.32.0"} 1
      # EOF
      """;

  private final MeshRegistry registry = new MeshRegistry();
  private final StatsServer server = new StatsServer(registry, LOOPS.group, LOOPS.transport);
  private int port;

  @BeforeEach
  void start() throws Exception {
    BuildMetrics.register(registry, "1.32.0");
    port = server.start(ServerLoops.anyPort()).getFirst().getPort();
  }

  @AfterEach
  void stop() {
    assertTrue(server.drain().awaitUninterruptibly(10, TimeUnit.SECONDS));
    registry.close();
  }

  @ParameterizedTest
  @ValueSource(strings = {"/metrics", "/stats/prometheus", "/metrics?x=y"})
  void servesTheMetricsOnBothPathsToAnyMethod(String path) throws Exception {
    for (String method : List.of("GET", "POST")) {
      TestClient.Reply reply = TestClient.request(port, method, path);
      assertEquals(200, reply.status());
      assertEquals("text/plain; charset=utf-8", reply.header("content-type"));
      assertEquals("accept-encoding", reply.header("vary"));
      assertEquals(BODY, reply.text());
    }
    assertEquals(404, TestClient.request(port, "GET", "/").status());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          ''                                                                           | text/plain; charset=utf-8
          application/json                                                             | text/plain; charset=utf-8
          application/openmetrics-text;version=1.0.0                                   | application/openmetrics-text;charset=utf-8;version=1.0.0
          text/html, application/OpenMetrics-Text; version=1.0.0                       | application/openmetrics-text;charset=utf-8;version=1.0.0
          application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.4,*/*;q=0.1 | application/openmetrics-text;charset=utf-8;version=1.0.0
          application/openmetrics-textual                                              | text/plain; charset=utf-8
          """)
  void theContentTypeIsNegotiated(String accept, String expected) {
    assertEquals(expected, StatsServer.contentType(List.of(accept)));
    assertEquals(expected, StatsServer.contentType(List.of("text/x", accept)));
  }

  @ParameterizedTest
  @ValueSource(strings = {"gzip", "deflate"})
  void theBodyIsCompressedAsAsked(String coding) throws Exception {
    TestClient.Reply reply =
        TestClient.request(port, "GET", "/metrics", "accept-encoding: " + coding);
    assertEquals(200, reply.status());
    assertEquals(coding, reply.header("content-encoding"));
    var compressed = new ByteArrayInputStream(reply.body());
    try (InputStream in =
        coding.equals("gzip")
            ? new GZIPInputStream(compressed)
            : new InflaterInputStream(compressed)) {
      assertEquals(BODY, new String(in.readAllBytes(), StandardCharsets.UTF_8));
    }
  }

  private static final int LABEL_SETS = 4_000;

  /** What a connection holds at most of a page: a piece, and a block of the compressor. */
  private static final int MAX_PIECE_BYTES = 64 << 10;

  /** A page that is larger than the socket buffers of both ends. */
  private void countMuch() {
    var traffic =
        new TrafficMetrics(
            registry, new SeriesBounds(LABEL_SETS, Duration.ofHours(1)), () -> 0, () -> {});
    for (int i = 0; i < LABEL_SETS; i++) {
      Peer peer = new Peer("workload-" + i, "", "", "", "", "", "", "");
      TrafficSeries series =
          traffic.series(
              new TrafficLabels(
                  Reporter.SOURCE,
                  peer,
                  ServiceName.UNKNOWN,
                  Peer.UNKNOWN,
                  SecurityPolicy.UNKNOWN,
                  null));
      series.opened();
      series.received(i);
      series.sent(i);
    }
  }

  @ParameterizedTest
  @EnumSource(ContentCoding.class)
  void aLargePageIsMadeInPiecesOfBoundedSize(ContentCoding coding) throws Exception {
    countMuch();
    var bytes = new ByteArrayOutputStream();
    boolean more = true;
    try (var pieces = new MetricsPieces(registry.page(), coding, () -> {})) {
      while (more) {
        ByteBuf piece = Unpooled.buffer();
        more = pieces.writeNext(piece);
        assertTrue(piece.readableBytes() <= MAX_PIECE_BYTES, () -> "bytes: " + piece);
        piece.readBytes(bytes, piece.readableBytes());
      }
    }
    var body = new ByteArrayInputStream(bytes.toByteArray());
    try (InputStream in =
        switch (coding) {
          case GZIP -> new GZIPInputStream(body);
          case DEFLATE -> new InflaterInputStream(body);
          case IDENTITY -> body;
        }) {
      assertEquals(MetricsText.of(registry), new String(in.readAllBytes(), StandardCharsets.UTF_8));
    }
  }

  @Test
  void whoAsksAndTakesNothingKeepsAFewScrapesAndNoMore() throws Exception {
    countMuch();
    var stalled = new ArrayList<TestClient>();
    try {
      for (int i = 0; i < 32; i++) {
        stalled.add(new TestClient(port));
        stalled.getLast().send("GET", "/metrics", "accept-encoding: identity");
      }
      TestClient.Reply refused = TestClient.request(port, "GET", "/metrics");
      assertEquals(503, refused.status());
      assertEquals("scrapes under way: 32 (expected: fewer)", refused.text());
    } finally {
      for (TestClient client : stalled) {
        client.reset();
      }
    }
    Await.until(
        "room for a scrape", () -> TestClient.request(port, "GET", "/metrics").status() == 200);
  }

  @Test
  void withoutAnAcceptableCodingTheBodyComesWith406() throws Exception {
    TestClient.Reply reply =
        TestClient.request(port, "GET", "/metrics", "accept-encoding: identity;q=0");
    assertEquals(406, reply.status());
    assertEquals(BODY, reply.text());
  }

  @ParameterizedTest(name = "{0}: {1}")
  @CsvSource(
      delimiter = '|',
      nullValues = "-",
      textBlock =
          """
          ''                       | IDENTITY
          gzip                     | GZIP
          GZip                     | GZIP
          deflate                  | DEFLATE
          gzip, deflate            | GZIP
          deflate, gzip;q=0.5      | DEFLATE
          br, zstd                 | IDENTITY
          gzip;q=0                 | IDENTITY
          *                        | GZIP
          *;q=0                    | -
          *;q=0, identity          | IDENTITY
          identity;q=0             | -
          identity;q=0.5, gzip;q=1.0 | GZIP
          gzip;q=0.1, identity     | IDENTITY
          gzip;q=x                 | IDENTITY
          """)
  void theBestAcceptableCodingIsChosen(String acceptEncoding, @Nullable ContentCoding expected) {
    assertEquals(expected, ContentCoding.negotiate(acceptEncoding));
  }
}
