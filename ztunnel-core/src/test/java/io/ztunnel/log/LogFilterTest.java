package io.ztunnel.log;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class LogFilterTest {
  @ParameterizedTest(name = "{0} {1}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          info                        | ztunnel::proxy          | INFO
          warn                        | access                  | WARN
          3                           | access                  | INFO
          5                           | access                  | TRACE
          0                           | access                  | OFF
          INFO                        | access                  | INFO
          ''                          | access                  | ERROR
          access=debug                | access                  | DEBUG
          access=debug                | ztunnel::proxy          | OFF
          access                      | access                  | TRACE
          access=                     | access                  | ERROR
          access=debug,info           | ztunnel::proxy          | INFO
          ztunnel::pro=debug,info     | ztunnel::proxy::inbound | DEBUG
          ztunnel=warn,ztunnel::xds=trace,info | ztunnel::xds::client | TRACE
          ztunnel=warn,ztunnel::xds=trace,info | ztunnel::state       | WARN
          access=debug,access=off     | access                  | OFF
          info,access=off,            | ztunnel::proxy          | ERROR
          info                        | io.netty.channel.Foo    | WARN
          trace                       | io.netty.channel.Foo    | WARN
          off                         | io.netty.channel.Foo    | OFF
          info,io.netty=debug         | io.netty.channel.Foo    | DEBUG
          """)
  void theLongestMatchingTargetDecides(String filter, String target, LogLevel expected) {
    assertEquals(expected, LogFilter.parse(filter).levelOf(target));
  }

  @Test
  void startsWithInfo() {
    assertEquals("hickory_server::server=off,info", LogFilter.initial(null).toString());
  }

  @Test
  void aListOfTargetsLeavesEverythingElseOff() {
    LogFilter filter = LogFilter.initial("access=info");
    assertEquals(LogLevel.OFF, filter.levelOf("ztunnel::proxy"));
    assertEquals(LogLevel.INFO, filter.levelOf("access"));
  }

  @Test
  void anEmptyVariableMeansErrorsOnly() {
    assertEquals(LogLevel.ERROR, LogFilter.initial("").levelOf("access"));
  }

  @Test
  void isShownLongestTargetFirstThenBackwardsThenTheRest() {
    assertEquals(
        "hickory_server::server=off,access=debug,info",
        LogFilter.initial("info").with("access=debug").toString());
    assertEquals(
        "bb=warn,aa=warn,c=warn,info", LogFilter.parse("c=3,info,aa=warn,bb=2,c=2").toString());
  }

  @ParameterizedTest
  @ValueSource(strings = {"access=loud", "a=b=info", "access=6", "ztunnel[span]=info"})
  void refusesWhatItDoesNotUnderstandAndNamesTheClause(String text) {
    var refused =
        assertThrows(IllegalArgumentException.class, () -> LogFilter.parse("info," + text));
    assertTrue(String.valueOf(refused.getMessage()).contains(text), refused.toString());
  }
}
