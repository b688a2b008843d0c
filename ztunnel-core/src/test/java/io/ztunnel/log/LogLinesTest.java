package io.ztunnel.log;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

class LogLinesTest {
  private final List<String> lines = new ArrayList<>();
  private final LogSystem system =
      new LogSystem(
          InstantSource.fixed(Instant.parse("2026-08-20T10:00:00.123456789Z")),
          LogFilter.parse("debug"),
          line -> lines.add(new String(line, StandardCharsets.UTF_8)));

  private String logged(LineFormat format, Runnable action) {
    system.format(format);
    lines.clear();
    action.run();
    assertEquals(1, lines.size());
    return lines.getFirst();
  }

  private final Log client = system.target("ztunnel::xds::client");

  private void established() {
    client.at(LogLevel.INFO, Span.of("xds", new Span.Field("id", 1)), "Stream established").log();
  }

  private void everyKind() {
    client
        .at(LogLevel.WARN, "all kinds")
        .string("s", "a \"quoted\" \\ line\n")
        .display("d", "10.0.0.1:80")
        .number("n", -5)
        .flag("f", true)
        .log();
  }

  @Test
  void aPlainLineWithoutFieldsEndsWithATab() {
    assertEquals(
        "2026-08-20T10:00:00.123456Z\tinfo\txds::client:xds{id=1}\tStream established\t\n",
        logged(LineFormat.PLAIN, this::established));
  }

  @Test
  void aJsonLineKeepsTheWholeTargetAndEndsWithItsSpans() {
    assertEquals(
        "{\"level\":\"info\",\"time\":\"2026-08-20T10:00:00.123456Z\","
            + "\"scope\":\"ztunnel::xds::client\",\"message\":\"Stream established\","
            + "\"xds\":{\"id\":1}}\n",
        logged(LineFormat.JSON, this::established));
  }

  @Test
  void aLineWithoutAMessageHasNoPlaceForIt() {
    Runnable question = () -> client.at(LogLevel.WARN, "").string("query", "A").log();
    assertEquals(
        "2026-08-20T10:00:00.123456Z\twarn\txds::client\tquery=\"A\"\n",
        logged(LineFormat.PLAIN, question));
    assertEquals(
        "{\"level\":\"warn\",\"time\":\"2026-08-20T10:00:00.123456Z\","
            + "\"scope\":\"ztunnel::xds::client\",\"query\":\"A\"}\n",
        logged(LineFormat.JSON, question));
  }

  @Test
  void plainFieldsAreQuotedOrBareByTheirKind() {
    assertEquals(
        "2026-08-20T10:00:00.123456Z\twarn\txds::client\tall kinds\t"
            + "s=\"a \\\"quoted\\\" \\\\ line\\n\" d=10.0.0.1:80 n=-5 f=true\n",
        logged(LineFormat.PLAIN, this::everyKind));
  }

  @Test
  void jsonFieldsAreTypedByTheirKind() {
    assertEquals(
        "{\"level\":\"warn\",\"time\":\"2026-08-20T10:00:00.123456Z\","
            + "\"scope\":\"ztunnel::xds::client\",\"message\":\"all kinds\","
            + "\"s\":\"a \\\"quoted\\\" \\\\ line\\n\",\"d\":\"10.0.0.1:80\",\"n\":-5,\"f\":true}\n",
        logged(LineFormat.JSON, this::everyKind));
  }

  @Test
  void spansPrintFromTheOutermostIn() {
    Span span =
        Span.of("proxy", new Span.Field("wl", "shop/cart-0"))
            .child(
                "inbound",
                new Span.Field("id", 7L),
                Span.Field.display("peer", "1970-01-01T00:00:00Z"))
            .child("bare");
    assertTrue(
        logged(LineFormat.PLAIN, () -> client.at(LogLevel.INFO, span, "m").log())
            .contains(
                "\txds::client:proxy{wl=\"shop/cart-0\"}:inbound{id=7 peer=1970-01-01T00:00:00Z}:bare\tm\t"));
    assertTrue(
        logged(LineFormat.JSON, () -> client.at(LogLevel.INFO, span, "m").log())
            .endsWith(
                ",\"proxy\":{\"wl\":\"shop/cart-0\"},\"inbound\":{\"id\":7,\"peer\":\"1970-01-01T00:00:00Z\"},\"bare\":{}}\n"));
  }

  @ParameterizedTest
  @CsvSource({"PLAIN, 'x=a\\nb\\u{1b}c\\u{9b} ü'", "JSON, '\"x\":\"a\\nb\\u001bc\\u009b ü\"'"})
  void aValueCannotEndTheLine(LineFormat format, String expected) {
    String line =
        logged(
            format, () -> client.at(LogLevel.INFO, "m").display("x", "a\nb\u001bc\u009b ü").log());
    assertTrue(line.contains(expected), line);
    assertEquals(line.length() - 1, line.indexOf('\n'));
  }

  @ParameterizedTest
  @EnumSource(LineFormat.class)
  void aVeryLongValueIsCutAndSaysSo(LineFormat format) {
    String line =
        logged(
            format,
            () ->
                client
                    .at(LogLevel.INFO, "m")
                    .string("x", "x".repeat(100_000))
                    .display("y", "y".repeat(100_000))
                    .log());
    assertTrue(line.length() < 2 * LogEvent.MAX_VALUE_CHARS + 200, () -> "length " + line.length());
    assertTrue(line.contains("xxx… (100000 characters)"), line);
    assertTrue(line.contains("yyy… (100000 characters)"), line);
  }

  @Test
  void aSwitchedOffLevelLogsNothingAndAsksNothing() {
    Object untouchable =
        new Object() {
          @Override
          public String toString() {
            throw new AssertionError("asked for its text");
          }
        };
    client.at(LogLevel.TRACE, "m").display("x", untouchable).log();
    assertTrue(lines.isEmpty());
    assertFalse(client.isEnabled(LogLevel.TRACE));
  }

  @Test
  void aNewFilterCountsForTargetsThatExist() {
    assertTrue(client.isEnabled(LogLevel.DEBUG));
    system.filter(LogFilter.parse("ztunnel::xds=error"));
    assertFalse(client.isEnabled(LogLevel.WARN));
    client.warn("unheard");
    client.error("heard");
    assertEquals(1, lines.size());
  }

  @Test
  void aTextThatLogsWhileALineIsBuiltDoesNotMixWithIt() {
    Object talkative =
        new Object() {
          @Override
          public String toString() {
            client.info("inner");
            return "value";
          }
        };
    client.at(LogLevel.INFO, "outer").display("x", talkative).number("n", 1).log();
    assertEquals(2, lines.size());
    assertTrue(lines.getFirst().endsWith("\tinner\t\n"));
    assertTrue(lines.getLast().endsWith("\touter\tx=value n=1\n"));
  }

  @Test
  void linesOfAnyLengthAndScriptComeThrough() {
    String longText = "ä€😀x".repeat(20_000);
    client.info(longText);
    client.info("short");
    assertTrue(lines.getFirst().endsWith("\t" + longText + "\t\n"));
    assertTrue(lines.getLast().endsWith("\tshort\t\n"));
  }

  @Test
  void theSecondIsFormattedAgainWhenItChanges() {
    var now = new Instant[] {Instant.parse("1999-12-31T23:59:59.000001Z")};
    var two =
        new LogSystem(
            () -> now[0],
            LogFilter.parse("info"),
            l -> lines.add(new String(l, StandardCharsets.UTF_8)));
    two.target("a").info("1");
    now[0] = Instant.parse("2000-01-01T00:00:00Z");
    two.target("a").info("2");
    assertTrue(lines.getFirst().startsWith("1999-12-31T23:59:59.000001Z\t"));
    assertTrue(lines.getLast().startsWith("2000-01-01T00:00:00.000000Z\t"));
  }
}
