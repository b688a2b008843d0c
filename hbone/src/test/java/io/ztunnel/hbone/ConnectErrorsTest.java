package io.ztunnel.hbone;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.net.ConnectException;
import java.net.NoRouteToHostException;
import java.nio.channels.ClosedChannelException;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class ConnectErrorsTest {
  static Stream<Arguments> errors() {
    return Stream.of(
        Arguments.of(new NoRouteToHostException(), "No route to host"),
        Arguments.of(
            new NoRouteToHostException("null: /10.1.1.1:9"), "No route to host: /10.1.1.1:9"),
        Arguments.of(new NoRouteToHostException("No route to host"), "No route to host"),
        Arguments.of(new ConnectException("Connection refused"), "Connection refused"),
        Arguments.of(new ClosedChannelException(), "ClosedChannelException"));
  }

  @ParameterizedTest
  @MethodSource("errors")
  void everyErrorHasAText(Exception cause, String expected) {
    assertEquals(expected, ConnectErrors.text(cause));
  }
}
