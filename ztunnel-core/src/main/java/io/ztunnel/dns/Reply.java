package io.ztunnel.dns;

import java.util.List;

/** What a question is answered. Immutable. */
sealed interface Reply {
  /** Records, or the knowledge that there are none. */
  record Found(Source source, List<ResourceRecord> answers, List<ResourceRecord> additionals)
      implements Reply {
    public Found {
      answers = List.copyOf(answers);
      additionals = List.copyOf(additionals);
    }
  }

  /** An error. */
  record Failed(int code) implements Reply {}

  /** Where the records come from. */
  enum Source {
    /** The mesh, for whose names we are the authority. */
    MESH,
    /** A name server. */
    UPSTREAM
  }
}
