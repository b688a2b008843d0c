package io.ztunnel.proxy;

/** Whether it is an endpoint's fault that a connection to it came to nothing. */
enum EndpointFault {
  YES,
  /** Of one of many that are behind a gateway: another may do better, and so may the gateway. */
  ONE_OF_MANY,
  NO
}
