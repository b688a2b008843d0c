package io.ztunnel.admin;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.metrics.BuildMetrics;
import io.ztunnel.metrics.MeshRegistry;
import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
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
