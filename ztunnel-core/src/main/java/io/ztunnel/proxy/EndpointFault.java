package io.ztunnel.proxy;

/** Whether it is an endpoint's fault that a connection to it came to nothing. */
enum EndpointFault {
  YES,
  /**
   * Of what is asked for there only, the port of the application or what is behind a waypoint: who
   * was dialled lives, or nothing is known of its other ports.
   */
  APPLICATION,
  /** Of one of many that are behind a gateway: another may do better, and so may the gateway. */
  ONE_OF_MANY,
  /**
   * The pod's own, whose sockets do not get there, or a limit of ours: another may do better, but
   * nobody has to avoid this one for it.
   */
  OWN,
  NO
}
