package io.ztunnel.redirection;

/** Who a pod is, in the CNI agent's words. Immutable. */
public record PodInfo(String name, String namespace, String serviceAccount) {}
