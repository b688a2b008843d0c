package io.ztunnel.bench.load;

/**
 * One load over one arrangement, once.
 *
 * @param rate in the load's unit per second (Gbit, requests or connections)
 * @param work how much was done in all (GB, requests or connections): what CPU time is divided by
 * @param p50Micros median latency, not a number for bulk transfers
 * @param p99Micros 99th percentile of the latency, not a number for bulk transfers
 * @param cpuSeconds CPU time that the daemons spent, 0 where there are none
 * @param errors failed requests or connections
 */
record Run(
    double rate, double work, double p50Micros, double p99Micros, double cpuSeconds, long errors) {

  double cpuSecondsPerWork() {
    return cpuSeconds / work;
  }
}
