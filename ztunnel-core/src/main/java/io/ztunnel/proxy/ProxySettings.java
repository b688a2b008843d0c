package io.ztunnel.proxy;

import io.ztunnel.hbone.HboneSettings;
import io.ztunnel.routing.InboundRouter;
import io.ztunnel.routing.InboundSettings;
import io.ztunnel.routing.OutboundRouter;
import io.ztunnel.routing.OutboundSettings;
import io.ztunnel.routing.ReservedPorts;
import io.ztunnel.routing.TrustDomainAliases;
import java.time.Duration;
import java.util.concurrent.ThreadLocalRandom;

/**
 * What the data path needs to know of the configuration. Immutable.
 *
 * @param network the network of this node; empty in a mesh of one network
 * @param aliases of the trust domain, for peers in other clusters
 * @param reservedPorts ports of the proxy itself, to which nothing is forwarded
 * @param socks5 whether to listen for SOCKS5 on the pod's loopback
 * @param keepSource whether the upstream may see the client's own address, where the sockets can
 * @param tunnelDelivery where an application that gets PROXY headers is dialled
 * @param exchangeBaggage whether workload metadata is read from requests and sent in answers
 * @param policyInfoLogs whether decisions of policies are logged at info rather than debug
 * @param connectTimeout limit for one TCP connection to an upstream
 * @param halfClosedProbing what finds a dead peer of a connection that one side has ended, and how
 *     long one that takes nothing is waited for when both have
 * @param drainDeadline how long a graceful end waits for connections
 * @param handoverWait how long it goes on accepting until another process listens on the ports
 */
public record ProxySettings(
    String network,
    TrustDomainAliases aliases,
    ReservedPorts reservedPorts,
    boolean socks5,
    boolean keepSource,
    InboundSettings.TunnelDelivery tunnelDelivery,
    boolean exchangeBaggage,
    boolean policyInfoLogs,
    Duration connectTimeout,
    HalfClosedProbing halfClosedProbing,
    Duration drainDeadline,
    Duration handoverWait,
    HboneSettings hbone) {
  /** Where connections that local applications open are redirected to. */
  public static final int OUTBOUND_PORT = 15_001;

  /** Where plaintext connections to local applications are redirected to. */
  public static final int PASSTHROUGH_PORT = 15_006;

  /** Where peers open tunnels. */
  public static final int HBONE_PORT = 15_008;

  /** Where local applications may speak SOCKS5. */
  public static final int SOCKS5_PORT = 15_080;

  /** The same for one pod of the node. */
  ProxySettings forPod() {
    return new ProxySettings(
        network,
        aliases,
        reservedPorts,
        socks5,
        keepSource,
        tunnelDelivery,
        exchangeBaggage,
        policyInfoLogs,
        connectTimeout,
        halfClosedProbing,
        drainDeadline,
        handoverWait,
        hbone.forTenant());
  }

  RelayLimits relayLimits() {
    return new RelayLimits(halfClosedProbing, hbone.heldBytes());
  }

  /** What decides where connections go that local applications open. Any thread. */
  public OutboundRouter outboundRouter() {
    return new OutboundRouter(
        new OutboundSettings(network, HBONE_PORT, reservedPorts, aliases),
        ThreadLocalRandom::current);
  }

  /** What decides where connections to local applications end. Any thread. */
  public InboundRouter inboundRouter() {
    return new InboundRouter(new InboundSettings(network, reservedPorts, tunnelDelivery));
  }
}
