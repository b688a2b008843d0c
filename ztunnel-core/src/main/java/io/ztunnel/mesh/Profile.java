package io.ztunnel.mesh;

import io.ztunnel.hbone.SpiffeId;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * What the pods of one deployment share: all but where each runs, its addresses and the end of its
 * name. One object for all of them. Immutable.
 *
 * @param namePrefix the name up to the part that is the pod's own
 * @param authorizationPolicies keys of the policies that select it by name
 */
record Profile(
    String namePrefix,
    SpiffeId identity,
    WorkloadLabels labels,
    Reach reach,
    Serving serving,
    List<String> authorizationPolicies) {
  Profile {
    authorizationPolicies = List.copyOf(authorizationPolicies);
  }

  /** The one object of those that are equal; its parts are shared with other deployments. */
  Profile shared(Interner interner) {
    Profile known = interner.find(this);
    return known != null
        ? known
        : interner.intern(
            new Profile(
                namePrefix,
                interner.intern(identity),
                interner.intern(labels),
                interner.intern(reach),
                shared(serving, interner),
                authorizationPolicies));
  }

  private static Serving shared(Serving serving, Interner interner) {
    Serving known = interner.find(serving);
    if (known != null) {
      return known;
    }
    Map<NamespacedHostname, PortMap> services = HashMap.newHashMap(serving.services().size());
    serving
        .services()
        .forEach((key, ports) -> services.put(interner.intern(key), interner.intern(ports)));
    return interner.intern(new Serving(services, serving.status(), serving.capacity()));
  }
}
