package io.ztunnel.mesh;

/** Ends what was begun when it was handed out. Any thread; a second call does nothing. */
@FunctionalInterface
public interface Registration {
  void cancel();
}
