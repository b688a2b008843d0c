package io.ztunnel.hbone;

import java.net.NoRouteToHostException;
import org.jspecify.annotations.Nullable;

/** What the errors of connecting sockets say. Stateless. */
public final class ConnectErrors {
  /** What Netty's text begins with where the kernel's is left out, before the address. */
  private static final String NO_TEXT = "null";

  private ConnectErrors() {}

  /** One line that says what happened; with the address, if the transport names it. */
  public static String text(Throwable cause) {
    @Nullable String message = cause.getMessage();
    if (cause instanceof NoRouteToHostException
        && (message == null || message.startsWith(NO_TEXT))) {
      // ENETUNREACH and EHOSTUNREACH alike
      return "No route to host" + (message == null ? "" : message.substring(NO_TEXT.length()));
    }
    return message == null ? cause.getClass().getSimpleName() : message;
  }
}
