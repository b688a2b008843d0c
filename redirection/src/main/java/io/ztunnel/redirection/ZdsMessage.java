package io.ztunnel.redirection;

/**
 * What the CNI agent says. The uid is the pod's in Kubernetes. Immutable, but for the namespace
 * that an {@link Add} hands over.
 *
 * <p>Source: Istio's {@code istio.workload.zds} protocol, {@code WorkloadRequest}.
 */
public sealed interface ZdsMessage {
  /**
   * A pod to serve. The namespace belongs to the receiver, who closes it in the end: also when the
   * pod is known already, and when the answer is no.
   */
  record Add(String uid, PodInfo pod, NetworkNamespace namespace) implements ZdsMessage {}

  /** A pod of which the agent no longer has the namespace: to be served on if it is known. */
  record Keep(String uid) implements ZdsMessage {}

  /** A pod that has gone. */
  record Delete(String uid) implements ZdsMessage {}

  /** The end of the list of pods that starts every connection. */
  record SnapshotSent() implements ZdsMessage {}
}
