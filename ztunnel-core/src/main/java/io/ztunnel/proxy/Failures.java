package io.ztunnel.proxy;

import io.netty.channel.ConnectTimeoutException;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.util.NetUtil;
import io.ztunnel.hbone.Authority;
import io.ztunnel.hbone.HboneFailure;
import io.ztunnel.hbone.TunnelProgress;
import io.ztunnel.hbone.TunnelTermination;
import io.ztunnel.mesh.GatewayAddress;
import io.ztunnel.mesh.Service;
import io.ztunnel.mesh.Workload;
import io.ztunnel.mesh.WorkloadInfo;
import io.ztunnel.policy.Decision;
import io.ztunnel.routing.GatewayRefusal;
import io.ztunnel.routing.InboundFailure;
import io.ztunnel.routing.RouteFailure;
import io.ztunnel.telemetry.ConnectionFailure;
import io.ztunnel.telemetry.ConnectionFailure.Awaited;
import io.ztunnel.telemetry.ConnectionFailure.Dial;
import io.ztunnel.telemetry.ConnectionFailure.DialOutcome;
import io.ztunnel.telemetry.ConnectionFailure.Half;
import io.ztunnel.telemetry.ConnectionFailure.Http2Failure;
import io.ztunnel.telemetry.ConnectionFailure.TlsRole;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.List;

/** Translates what decisions and leaves report into the one list of failures. Stateless. */
public final class Failures {
  /** EADDRNOTAVAIL (no port is left), ENETUNREACH, EPERM, EACCES, ENOBUFS. */
  private static final List<String> OF_OUR_SOCKET =
      List.of(
          "Cannot assign requested address",
          "Network is unreachable",
          "Operation not permitted",
          "Permission denied",
          "No buffer space available");

  private Failures() {}

  /** Why an outbound connection goes nowhere. */
  public static ConnectionFailure of(RouteFailure failure) {
    return switch (failure) {
      case RouteFailure.SelfCall _ -> new ConnectionFailure.SelfCall();
      case RouteFailure.NoHealthyUpstream(InetSocketAddress target) ->
          new ConnectionFailure.NoHealthyUpstream(NetUtil.toSocketAddressString(target));
      case RouteFailure.NoService(InetSocketAddress target) ->
          new ConnectionFailure.NoService(NetUtil.toSocketAddressString(target));
      case RouteFailure.NoValidDestination(Workload workload) ->
          new ConnectionFailure.NoValidDestination(
              workload.name(), workload.uid(), workload.protocol().text());
      case RouteFailure.UnknownWaypoint(GatewayAddress.Destination waypoint) ->
          new ConnectionFailure.UnknownWaypoint("waypoint " + waypoint + " not found");
      case RouteFailure.UnknownNetworkGateway(GatewayAddress.Destination gateway) ->
          new ConnectionFailure.UnknownGateway("network gateway " + gateway + " not found");
      case RouteFailure.EmptyResolvedAddresses(String uid) ->
          new ConnectionFailure.DnsFailed(uid, true, "");
      case RouteFailure.NoResolvedAddresses(String uid) ->
          new ConnectionFailure.DnsFailed(uid, false, "");
    };
  }

  /** Why an inbound connection ends nowhere. */
  public static ConnectionFailure of(InboundFailure failure) {
    return switch (failure) {
      case InboundFailure.IpMismatch(InetAddress local, InetAddress requested) ->
          new ConnectionFailure.AddressMismatch(
              NetUtil.toAddressString(local), NetUtil.toAddressString(requested));
      case InboundFailure.UnknownHostname(String hostname) ->
          ConnectionFailure.HostnameUnresolved.unknown(hostname);
      case InboundFailure.NoPort(Authority.Host(String hostname, int port)) ->
          ConnectionFailure.HostnameUnresolved.withoutPort(hostname, port);
      case InboundFailure.NoServiceAddress(String hostname) ->
          ConnectionFailure.HostnameUnresolved.withoutAddress(hostname);
      case InboundFailure.SelfCall _ -> new ConnectionFailure.SelfCall();
      case InboundFailure.ProxyPort(int port) -> new ConnectionFailure.ProxyPort(port);
    };
  }

  /** Why a gateway does not pass a tunnel on. */
  public static ConnectionFailure of(GatewayRefusal refusal) {
    return switch (refusal) {
      case GatewayRefusal.UnknownService(Authority authority) ->
          new ConnectionFailure.ServiceUnknown(authority.toString());
      case GatewayRefusal.NotExported(Service service) ->
          new ConnectionFailure.NotExported(service.namespace(), service.hostname());
      case GatewayRefusal.UnknownPort(Service service, int port) ->
          new ConnectionFailure.ServicePortUnknown(service.hostname(), port);
      case GatewayRefusal.UnknownWaypoint(Service _, GatewayAddress.Destination waypoint) ->
          new ConnectionFailure.UnknownWaypoint("waypoint " + waypoint + " not found");
      case GatewayRefusal.NoEndpoint(Service _, Service chosenFrom) ->
          new ConnectionFailure.NoHealthyUpstream(chosenFrom.hostname());
    };
  }

  /** Why nothing can be done for a workload that the mesh has no record of. */
  public static ConnectionFailure unknown(WorkloadInfo info) {
    return new ConnectionFailure.LocalWorkloadUnknown(
        info.name(), info.namespace(), info.serviceAccount());
  }

  /** Why a tunnel to a peer was not opened. */
  static ConnectionFailure ofTunnel(HboneFailure failure) {
    return switch (failure) {
      case HboneFailure.ConnectFailed connect -> {
        DialOutcome outcome =
            connect.timedOut() ? DialOutcome.TIMED_OUT : outcome(connect.message());
        yield ofConnect(Dial.HBONE, outcome, connect.address(), connect.message());
      }
      case HboneFailure.TlsFailed tls ->
          new ConnectionFailure.TlsFailed(TlsRole.CLIENT, tls.message());
      case HboneFailure.WrongPeer wrong ->
          new ConnectionFailure.WrongPeerIdentity(wrong.expected(), wrong.presented());
      case HboneFailure.WrongTrustDomain foreign ->
          new ConnectionFailure.TlsFailed(TlsRole.CLIENT, foreign.message());
      case HboneFailure.PeerRevoked(InetSocketAddress _, String certificate) ->
          new ConnectionFailure.PeerRevoked(TlsRole.CLIENT, certificate);
      case HboneFailure.HandshakeTimedOut timeout ->
          new ConnectionFailure.Http2Failed(Http2Failure.HANDSHAKE_TIMED_OUT, timeout.message());
      case HboneFailure.Http2Failed http2 ->
          new ConnectionFailure.Http2Failed(Http2Failure.CONNECTION_LOST, http2.message());
      case HboneFailure.WentAway away ->
          new ConnectionFailure.Http2Failed(Http2Failure.GOAWAY, away.message());
      case HboneFailure.StreamReset reset ->
          new ConnectionFailure.Http2Failed(Http2Failure.RESET, reset.message());
      case HboneFailure.Rejected(int status, String _) ->
          new ConnectionFailure.TunnelRejected(
              status, HttpResponseStatus.valueOf(status).reasonPhrase());
      case HboneFailure.AnswerTimedOut timeout ->
          new ConnectionFailure.Http2Failed(Http2Failure.ANSWER_TIMED_OUT, timeout.message());
      case HboneFailure.IdentityUnavailable(String message) ->
          new ConnectionFailure.IdentityUnavailable(message);
      case HboneFailure.OuterFailed(HboneFailure cause) -> ofTunnel(cause);
      case HboneFailure.InnerLimitReached reached ->
          new ConnectionFailure.InnerConnectionsLimit(reached.message());
      case HboneFailure.PoolClosed _ -> new ConnectionFailure.PoolDraining();
    };
  }

  /** Why there is no tunnel to a peer in another network: on this side of its gateway or beyond. */
  static ConnectionFailure ofNestedTunnel(HboneFailure failure, InetSocketAddress gateway) {
    ConnectionFailure cause = ofTunnel(failure);
    return isBeyondGateway(failure)
        ? new ConnectionFailure.BeyondGateway(cause, NetUtil.toSocketAddressString(gateway))
        : cause;
  }

  /** Whether a tunnel within a tunnel failed for a reason that lies behind the gateway. */
  static boolean isBeyondGateway(HboneFailure failure) {
    return switch (failure) {
      case HboneFailure.OuterFailed _,
          HboneFailure.IdentityUnavailable _,
          HboneFailure.InnerLimitReached _,
          HboneFailure.PoolClosed _ ->
          false;
      case HboneFailure.ConnectFailed _,
          HboneFailure.TlsFailed _,
          HboneFailure.WrongPeer _,
          HboneFailure.WrongTrustDomain _,
          HboneFailure.PeerRevoked _,
          HboneFailure.HandshakeTimedOut _,
          HboneFailure.Http2Failed _,
          HboneFailure.WentAway _,
          HboneFailure.StreamReset _,
          HboneFailure.Rejected _,
          HboneFailure.AnswerTimedOut _ ->
          true;
    };
  }

  /**
   * Whether another endpoint might do better: false where the fault is ours, and where the peer is
   * in order and says no to this client.
   */
  static boolean isEndpointsFault(HboneFailure failure) {
    return switch (failure) {
      case HboneFailure.IdentityUnavailable _,
          HboneFailure.InnerLimitReached _,
          HboneFailure.PoolClosed _ ->
          false;
      case HboneFailure.OuterFailed(HboneFailure cause) -> isEndpointsFault(cause);
      case HboneFailure.Rejected(int status, String _) -> status >= 500;
      case HboneFailure.ConnectFailed(InetSocketAddress _, String message, boolean _) ->
          !isOutOfDescriptors(message);
      case HboneFailure.TlsFailed _,
          HboneFailure.WrongPeer _,
          HboneFailure.WrongTrustDomain _,
          HboneFailure.PeerRevoked _,
          HboneFailure.HandshakeTimedOut _,
          HboneFailure.Http2Failed _,
          HboneFailure.WentAway _,
          HboneFailure.StreamReset _,
          HboneFailure.AnswerTimedOut _ ->
          true;
    };
  }

  /**
   * Whose fault it is that there is no connection without a tunnel. The port was dialled; nothing
   * is known of the other ones, whether it was refused or filtered.
   */
  static EndpointFault faultOfDial(ConnectionFailure failure) {
    if (failure instanceof ConnectionFailure.OutOfDescriptors) {
      return EndpointFault.NO;
    }
    return failure instanceof ConnectionFailure.ConnectFailed connect
            && isOfOurSocket(connect.systemText())
        ? EndpointFault.OWN
        : EndpointFault.APPLICATION;
  }

  /**
   * Whose fault it is that there is no tunnel to a peer. What a peer answers, or does not answer
   * while it lives, is told of the application.
   */
  static EndpointFault faultOfTunnel(HboneFailure failure) {
    if (!isEndpointsFault(failure)) {
      return EndpointFault.NO;
    }
    if (failure instanceof HboneFailure.ConnectFailed connect && isOfOurSocket(connect.message())) {
      return EndpointFault.OWN;
    }
    return isAnswer(failure) ? EndpointFault.APPLICATION : EndpointFault.YES;
  }

  /**
   * Whose fault it is that there is no tunnel to a peer in another network. A gateway is to blame
   * if it cannot be reached, is somebody else or goes away; what it answers, or does not answer
   * while it lives, is told of those behind it.
   */
  static EndpointFault faultOfNestedTunnel(HboneFailure failure) {
    if (failure instanceof HboneFailure.OuterFailed(HboneFailure cause) && isAnswer(cause)) {
      return EndpointFault.ONE_OF_MANY; // even a 404: gateways of one network may differ
    }
    if (failure instanceof HboneFailure.InnerLimitReached) {
      return EndpointFault.OWN; // one in this network needs no such connection
    }
    if (!isEndpointsFault(failure)) {
      return EndpointFault.NO;
    }
    return failure instanceof HboneFailure.OuterFailed
        ? EndpointFault.YES
        : EndpointFault.ONE_OF_MANY;
  }

  private static boolean isAnswer(HboneFailure failure) {
    return failure instanceof HboneFailure.Rejected
        || failure instanceof HboneFailure.StreamReset
        || failure instanceof HboneFailure.AnswerTimedOut;
  }

  /** Whose fault it is that an attempt took too long. */
  static EndpointFault faultOf(TunnelProgress progress) {
    return switch (progress) {
      case CERTIFICATE -> EndpointFault.NO;
      case DIALLING, SECURING, SILENT -> EndpointFault.YES;
      case UNANSWERED -> EndpointFault.APPLICATION;
      case INNER_HANDSHAKE, INNER_UNANSWERED -> EndpointFault.ONE_OF_MANY;
    };
  }

  /** As above, when a gateway was dialled: one that lives is not to blame. */
  static EndpointFault faultBehindGateway(TunnelProgress progress) {
    return progress == TunnelProgress.UNANSWERED ? EndpointFault.ONE_OF_MANY : faultOf(progress);
  }

  /**
   * Why an attempt to open a tunnel was left for another endpoint: what it waited for.
   *
   * @param address who was dialled
   */
  static ConnectionFailure ofLate(
      TunnelProgress progress, InetSocketAddress address, Duration waited) {
    String text =
        "no answer from %s within %d ms: %s"
            .formatted(NetUtil.toSocketAddressString(address), waited.toMillis(), progress.text());
    return switch (progress) {
      case DIALLING -> ofLateDial(Dial.HBONE, address, waited);
      case SECURING -> new ConnectionFailure.Http2Failed(Http2Failure.HANDSHAKE_TIMED_OUT, text);
      case CERTIFICATE, SILENT, UNANSWERED, INNER_HANDSHAKE, INNER_UNANSWERED ->
          new ConnectionFailure.Http2Failed(Http2Failure.ANSWER_TIMED_OUT, text);
    };
  }

  /** Why an attempt was left for another endpoint that had no TCP connection yet. */
  static ConnectionFailure ofLateDial(Dial dial, InetSocketAddress address, Duration waited) {
    return new ConnectionFailure.ConnectFailed(
        dial,
        DialOutcome.TIMED_OUT,
        NetUtil.toSocketAddressString(address),
        "connection timed out after " + waited.toMillis() + " ms");
  }

  /** Why a client's connection to us came to nothing. */
  static ConnectionFailure ofHandshake(HboneFailure failure) {
    return switch (failure) {
      case HboneFailure.IdentityUnavailable(String message) ->
          new ConnectionFailure.IdentityUnavailable(message);
      case HboneFailure.WrongTrustDomain(
              InetSocketAddress _,
              String expected,
              List<String> presented) ->
          new ConnectionFailure.WrongTrustDomain(expected, String.join(",", presented));
      case HboneFailure.PeerRevoked(InetSocketAddress _, String certificate) ->
          new ConnectionFailure.PeerRevoked(TlsRole.SERVER, certificate);
      case HboneFailure.HandshakeTimedOut _,
          HboneFailure.TlsFailed _,
          HboneFailure.WrongPeer _,
          HboneFailure.ConnectFailed _ ->
          new ConnectionFailure.TlsFailed(TlsRole.SERVER, failure.message());
      case HboneFailure.Http2Failed _,
          HboneFailure.WentAway _,
          HboneFailure.StreamReset _,
          HboneFailure.Rejected _,
          HboneFailure.AnswerTimedOut _,
          HboneFailure.OuterFailed _,
          HboneFailure.InnerLimitReached _,
          HboneFailure.PoolClosed _ ->
          new ConnectionFailure.Http2Failed(Http2Failure.HANDSHAKE, failure.message());
    };
  }

  /** Why a TCP connection was not made. */
  static ConnectionFailure ofConnect(Dial dial, InetSocketAddress target, Throwable cause) {
    String text = SocketErrors.text(cause);
    DialOutcome outcome =
        cause instanceof ConnectTimeoutException ? DialOutcome.TIMED_OUT : outcome(text);
    return ofConnect(dial, outcome, target, text);
  }

  private static ConnectionFailure ofConnect(
      Dial dial, DialOutcome outcome, InetSocketAddress target, String text) {
    return isOutOfDescriptors(text)
        ? new ConnectionFailure.OutOfDescriptors(text)
        : new ConnectionFailure.ConnectFailed(
            dial, outcome, NetUtil.toSocketAddressString(target), text);
  }

  private static DialOutcome outcome(String text) {
    return text.contains("refused") ? DialOutcome.REFUSED : DialOutcome.FAILED;
  }

  /**
   * Whether the kernel did not let our socket connect, which says nothing of who was dialled. By
   * the texts of the C library, which all transports have somewhere within theirs. Only the JDK's
   * tells ENETUNREACH: Netty's others take it for EHOSTUNREACH.
   */
  private static boolean isOfOurSocket(String text) {
    return OF_OUR_SOCKET.stream().anyMatch(text::contains);
  }

  private static boolean isOutOfDescriptors(String text) {
    return text.contains("Too many open files");
  }

  /** Why a request came to nothing whose client did not wait for the answer. */
  static ConnectionFailure ofAbandoned(Awaited awaited, TunnelTermination cause) {
    return cause instanceof TunnelTermination.PeerRevoked(String certificate)
        ? new ConnectionFailure.Revoked(certificate)
        : new ConnectionFailure.ClientWentAway(awaited, textOf(cause));
  }

  /** Why a tunnel is over, in the words of the log. */
  static String textOf(TunnelTermination cause) {
    return switch (cause) {
      case TunnelTermination.ConnectionLost _, TunnelTermination.PeerClosed _ ->
          "tunnel lost: " + cause.message();
      case TunnelTermination.Reset _,
          TunnelTermination.GoAway _,
          TunnelTermination.PeerRevoked _,
          TunnelTermination.ReaderTooSlow _ ->
          cause.message();
    };
  }

  /** What policies do not allow. */
  public static ConnectionFailure denied(Decision.Deny denial) {
    return new ConnectionFailure.PolicyDenied(denial.reason(), denial.detail());
  }

  static ConnectionFailure of(RelayEnd.Broken broken) {
    Half half =
        switch (broken.direction()) {
          case SEND -> Half.SEND;
          case RECEIVE -> Half.RECEIVE;
        };
    return new ConnectionFailure.CopyFailed(half, broken.message());
  }
}
