package io.ztunnel.mesh;

/**
 * How a workload is reported: pods of one deployment share these. Immutable.
 *
 * @param type {@code deployment}, {@code cronjob}, {@code pod}, {@code job}, or anything a local
 *     file says
 */
public record WorkloadLabels(
    String workloadName, String type, String canonicalName, String canonicalRevision) {
  public static final WorkloadLabels NONE = new WorkloadLabels("", "", "", "");
}
