package io.ztunnel.admin;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.ztunnel.log.LogFilter;
import io.ztunnel.log.Logging;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class AdminServerTest {
  @RegisterExtension static final ServerLoops LOOPS = new ServerLoops();

  private final AtomicInteger shutdowns = new AtomicInteger();
  private final ConfigDump dump = new ConfigDump();
  private final LogFilter oldFilter = Logging.filter();
  private final AdminServer server =
      new AdminServer(
          new AdminPages(LOOPS.group.next())
              .dump(dump)
              .logging(LogFilter.initial(null))
              .shutdown(shutdowns::incrementAndGet),
          LOOPS.group,
          LOOPS.transport);
  private int port;

  @BeforeEach
  void start() throws Exception {
    Logging.filter(LogFilter.initial(null));
    port = server.start(ServerLoops.anyPort()).getFirst().getPort();
  }

  @AfterEach
  void stop() {
    Logging.filter(oldFilter);
    assertTrue(server.drain().awaitUninterruptibly(10, TimeUnit.SECONDS));
  }

  private TestClient.Reply post(String path) throws Exception {
    return TestClient.request(port, "POST", path);
  }

  @Test
  void theIndexLinksToWhatThereIs() throws Exception {
    TestClient.Reply reply = TestClient.request(port, "GET", "/");
    assertEquals(200, reply.status());
    assertEquals("text/html; charset=utf-8", reply.header("content-type"));
    for (String path : List.of("config_dump", "logging", "quitquitquit")) {
      assertTrue(reply.text().contains("<a href=\"" + path + "\">"), path);
      assertTrue(TestClient.request(port, "POST", "/" + path).status() < 300, path);
    }
  }

  @Test
  void theDumpIsSortedAndIndented() throws Exception {
    var object = new LinkedHashMap<String, @Nullable Object>();
    object.put("z", null);
    object.put("a", List.of());
    object.put("m", Map.of(80, 8080));
    object.put("e", Map.of());
    dump.section("zeta", () -> "text \"quoted\" ä")
        .section("alpha", () -> Stream.of(1, 2L, true))
        .section("beta", () -> object);
    TestClient.Reply reply = TestClient.request(port, "GET", "/config_dump");
    assertEquals(200, reply.status());
    assertEquals("application/json", reply.header("content-type"));
    assertEquals(
        """
        {
          "alpha": [
            1,
            2,
            true
          ],
          "beta": {
            "a": [],
            "e": {},
            "m": {
              "80": 8080
            },
            "z": null
          },
          "zeta": "text \\"quoted\\" ä"
        }\
        """,
        reply.text());
  }

  @Test
  void aSectionThatFailsIsA500WithItsReason() throws Exception {
    dump.section(
        "bad",
        () -> {
          throw new IllegalStateException("no state");
        });
    TestClient.Reply reply = TestClient.request(port, "GET", "/config_dump");
    assertEquals(500, reply.status());
    assertEquals("no state", reply.text());
  }

  @Test
  void quitquitquitStartsTheShutdownEachTime() throws Exception {
    assertEquals(405, TestClient.request(port, "GET", "/quitquitquit").status());
    assertEquals(0, shutdowns.get());
    for (int i = 1; i <= 2; i++) {
      TestClient.Reply reply = post("/quitquitquit");
      assertEquals(200, reply.status());
      assertEquals("text/plain", reply.header("content-type"));
      assertEquals("shutdown now\n", reply.text());
      assertEquals(i, shutdowns.get());
    }
  }

  private void assertLevels(String query, String expected) throws Exception {
    TestClient.Reply reply = post("/logging" + query);
    assertEquals(200, reply.status(), reply.text());
    assertEquals("current log level is " + expected + "\n", reply.text());
    assertEquals(expected, Logging.filter().toString());
  }

  @Test
  void logLevelsAreShownChangedAndReset() throws Exception {
    String off = "hickory_server::server=off,";
    assertLevels("", off + "info");
    assertLevels("?reset", off + "info");
    assertLevels("?level=debug", off + "debug");
    assertLevels("?level=", off + "debug");
    assertLevels("?level=access=debug,info", off + "access=debug,info");
    assertLevels("?level=warn", off + "access=debug,warn");
    assertLevels("?reset&level=error", off + "error");
    assertLevels("?level=info&reset", off + "info");
    assertLevels("?level=trace&level=off", off + "off");
    assertLevels("?level=ztunnel%3A%3Aproxy%3Dtrace", off + "ztunnel::proxy=trace,off");
    assertLevels("?reset", off + "info");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "invalid_level",
        "INFO",
        "info,",
        ",",
        "access:debug",
        "access",
        "access=loud",
        "3"
      })
  void aLevelThatIsNoneIsRefusedWithTheUsage(String level) throws Exception {
    TestClient.Reply reply = post("/logging?level=" + level);
    assertEquals(400, reply.status());
    assertTrue(
        reply.text().startsWith("Invalid level provided: " + level + "\nusage: "), reply.text());
    assertEquals(LogFilter.initial(null), Logging.filter());
  }

  @ParameterizedTest
  @ValueSource(strings = {"debug%", "%zz", "info%2"})
  void anEscapeThatIsNoneStandsForItself(String level) throws Exception {
    aLevelThatIsNoneIsRefusedWithTheUsage(level);
  }

  @Test
  void loggingIsForPost() throws Exception {
    TestClient.Reply reply = TestClient.request(port, "GET", "/logging?level=debug");
    assertEquals(405, reply.status());
    assertEquals("text/plain", reply.header("content-type"));
    assertTrue(reply.text().startsWith("Invalid HTTP method\nusage: "), reply.text());
  }
}
