package io.ztunnel.admin;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.ztunnel.profile.Profiler;
import java.time.InstantSource;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ProfilePagesTest {
  @RegisterExtension static final ServerLoops LOOPS = new ServerLoops();

  private final Profiler profiler = new Profiler(LOOPS.group.next(), InstantSource.system());
  private final AdminServer server =
      new AdminServer(
          new AdminPages(LOOPS.group.next()).profiles(profiler), LOOPS.group, LOOPS.transport);
  private int port;

  @BeforeEach
  void start() throws Exception {
    port = server.start(ServerLoops.anyPort()).getFirst().getPort();
  }

  @AfterEach
  void stop() {
    try (profiler) {
      assertEquals(true, server.drain().awaitUninterruptibly(10, TimeUnit.SECONDS));
    }
  }

  private String ask(String query) throws Exception {
    TestClient.Reply reply = TestClient.request(port, "GET", "/debug/pprof/heap/profiling" + query);
    return reply.status() + " " + reply.text();
  }

  @Test
  void theStateIsToldToWhoeverAsks() throws Exception {
    assertEquals("200 heap profiling active: false\n", ask(""));
    assertEquals("200 heap profiling active: false\n", ask("?other=true"));
  }

  @ParameterizedTest(name = "{0}")
  @CsvSource({
    "?activate=,               ''",
    "?activate,                ''",
    "?activate=yes,            yes",
    "?activate=TRUE,           TRUE",
    "?activate=false&activate=, ''",
  })
  void aValueThatIsNoneIsRefused(String query, String value) throws Exception {
    assertEquals("400 invalid activate value: " + value + "; expected true or false\n", ask(query));
  }
}
