package io.ztunnel.xds;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** Where the token is that proves who we are. Immutable; any thread reads. */
public sealed interface TokenSource {
  /** No token: calls are made without proof. */
  record None() implements TokenSource {}

  /** A file that the kubelet replaces while the token is valid. */
  record TokenFile(Path path) implements TokenSource {}

  /** This token. */
  record Token(String value) implements TokenSource {
    // The token is a secret.
    @Override
    public String toString() {
      return "Token[...]";
    }
  }

  /**
   * The token as it is now, null if there is none to send. White space around it is left out: an
   * editor's newline at the end would make every call fail. May read a file.
   *
   * @throws IOException that says what is wrong with the token, without showing it
   */
  default @Nullable String read() throws IOException {
    return switch (this) {
      case None _ -> null;
      case TokenFile(Path path) -> checked(Files.readString(path, StandardCharsets.UTF_8), path);
      case Token(String value) -> checked(value, "AUTH_TOKEN");
    };
  }

  private static String checked(String text, Object source) throws IOException {
    String token = text.strip();
    if (token.isEmpty()) {
      throw new IOException("token: " + source + " is empty (expected: a token)");
    }
    for (int i = 0; i < token.length(); i++) {
      char c = token.charAt(i);
      if (c <= ' ' || c >= 0x7f) {
        throw new IOException(
            "token: %s has a character U+%04X at offset %d (expected: visible ASCII)"
                .formatted(source, (int) c, i));
      }
    }
    return token;
  }
}
