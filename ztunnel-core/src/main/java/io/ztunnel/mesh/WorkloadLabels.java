package io.ztunnel.mesh;

/**
 * How a workload is reported: pods of one deployment share these. Immutable.
 *
 * @param type {@code deployment}, {@code cronjob}, {@code pod}, {@code job}, or anything a local
 *     file says
 */
record WorkloadLabels(
    String workloadName, String type, String canonicalName, String canonicalRevision) {
  static final WorkloadLabels NONE = new WorkloadLabels("", "", "", "");
}
