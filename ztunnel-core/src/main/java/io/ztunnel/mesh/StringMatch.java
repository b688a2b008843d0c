package io.ztunnel.mesh;

/** A condition on a text. Immutable. */
public sealed interface StringMatch {
  boolean matches(String text);

  /** The text and no other. */
  record Exact(String value) implements StringMatch {
    @Override
    public boolean matches(String text) {
      return text.equals(value);
    }
  }

  /** Texts that begin with it. */
  record Prefix(String value) implements StringMatch {
    @Override
    public boolean matches(String text) {
      return text.startsWith(value);
    }
  }

  /** Texts that end with it. */
  record Suffix(String value) implements StringMatch {
    @Override
    public boolean matches(String text) {
      return text.endsWith(value);
    }
  }

  /** Any text but the empty one. */
  record Presence() implements StringMatch {
    @Override
    public boolean matches(String text) {
      return !text.isEmpty();
    }
  }
}
