package io.ztunnel.mesh;

import io.ztunnel.hbone.SpiffeId;
import java.util.List;

/**
 * The identities that the endpoints of a service may have besides their own. Immutable.
 *
 * @param given as the control plane gave them
 * @param identities those of them that are identities, each once and in order, as tunnels are
 *     shared by those who accept the same peers; the others accept nobody
 */
public record SubjectAltNames(List<String> given, List<String> identities) {
  private static final SubjectAltNames NONE = new SubjectAltNames(List.of(), List.of());

  public SubjectAltNames {
    given = List.copyOf(given);
    identities = List.copyOf(identities);
  }

  static SubjectAltNames of(List<String> given) {
    return given.isEmpty()
        ? NONE
        : new SubjectAltNames(
            given,
            given.stream()
                .filter(name -> SpiffeId.parse(name).isPresent())
                .distinct()
                .sorted()
                .toList());
  }

  boolean allValid() {
    return identities.containsAll(given);
  }
}
