package io.ztunnel.log;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

class Slf4jProviderTest {
  private final Logger own = LoggerFactory.getLogger("ztunnel::inpod::statemanager");
  private final Logger library = LoggerFactory.getLogger("io.netty.channel.ChannelThing");

  @Test
  void slf4jFindsThisProvider() {
    assertInstanceOf(Slf4jLogger.class, own);
  }

  @Test
  void linesOfSlf4jLookLikeOurOwn() {
    try (var log = LogCapture.plain("info")) {
      own.info("pod {} of {}", "a", 3);
      library.warn("odd");
      assertEquals(
          List.of(
              "info\tinpod::statemanager\tpod a of 3\t\n",
              "warn\tio.netty.channel.ChannelThing\todd\t\n"),
          log.withoutTime());
    }
  }

  @Test
  void librariesAreHeardFromWarningsUnlessAskedFor() {
    try (var log = LogCapture.plain("debug")) {
      library.info("chatter");
      library.debug("more");
      assertTrue(log.lines().isEmpty());
      assertTrue(own.isDebugEnabled());
      assertFalse(library.isInfoEnabled());
    }
    try (var log = LogCapture.plain("info,io.netty=debug")) {
      library.debug("asked for");
      assertEquals(1, log.lines().size());
    }
  }

  @Test
  void anExceptionStaysOnOneLine() {
    try (var log = LogCapture.plain("info")) {
      own.error("it\nbroke", new IllegalStateException("twice"));
      String line = log.lines().getFirst();
      assertTrue(
          line.contains(
              "\tit\\nbroke\terror=\"java.lang.IllegalStateException: twice\" stack=\"java.lang."),
          line);
      assertEquals(line.length() - 1, line.indexOf('\n'));
    }
  }
}
