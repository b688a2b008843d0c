package io.ztunnel.redirection;

import java.nio.file.Path;

/** A program whose main thread enters a namespace and may not leave it. Run by a test. */
final class TrappedThread {
  private TrappedThread() {}

  public static void main(String[] arguments) throws Exception {
    try (NetworkNamespace namespace = NetworkNamespace.ofPath(Path.of(arguments[0]))) {
      namespace.call(
          () -> {
            Capabilities.dropForThisThread();
            return "inside";
          });
    }
    System.out.println("still alive");
  }
}
