package io.ztunnel.explain;

import io.ztunnel.explain.Explanation.Outcome;
import io.ztunnel.explain.Explanation.Place;
import io.ztunnel.explain.Explanation.Verdict;
import io.ztunnel.hbone.Authority;
import io.ztunnel.hbone.SpiffeId;
import io.ztunnel.mesh.GatewayAddress;
import io.ztunnel.mesh.IpText;
import io.ztunnel.mesh.MeshView;
import io.ztunnel.mesh.NetworkAddress;
import io.ztunnel.mesh.Service;
import io.ztunnel.mesh.Workload;
import io.ztunnel.policy.Connection;
import io.ztunnel.proxy.Failures;
import io.ztunnel.proxy.ProxySettings;
import io.ztunnel.routing.EndpointHealth;
import io.ztunnel.routing.Hop;
import io.ztunnel.routing.InboundCall;
import io.ztunnel.routing.InboundFailure;
import io.ztunnel.routing.InboundResult;
import io.ztunnel.routing.InboundRoute;
import io.ztunnel.routing.InboundRouter;
import io.ztunnel.routing.OutboundCall;
import io.ztunnel.routing.OutboundRouter;
import io.ztunnel.routing.PodHealth;
import io.ztunnel.routing.Route;
import io.ztunnel.routing.RouteFailure;
import io.ztunnel.routing.RouteResult;
import io.ztunnel.routing.UnresolvedRoute;
import io.ztunnel.telemetry.ConnectionFailure;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.LinkedHashSet;
import java.util.Set;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Answers what would become of a connection, by the router and the policy engine of the data path
 * and the mesh of the moment. Nothing is dialled. Any thread; costs a pass over all workloads and
 * services, so not for a thread that moves data.
 */
public final class Explainer {
  private final Supplier<MeshView> mesh;
  private final ExplainerSettings settings;
  private final OutboundRouter outbound;
  private final InboundRouter inbound;
  private final EndpointHealth health;

  /**
   * An explainer.
   *
   * @param health what failed lately and is avoided
   */
  public Explainer(
      Supplier<MeshView> mesh,
      ExplainerSettings settings,
      OutboundRouter outbound,
      InboundRouter inbound,
      EndpointHealth health) {
    this.mesh = mesh;
    this.settings = settings;
    this.outbound = outbound;
    this.inbound = inbound;
    this.health = health;
  }

  /**
   * Explains.
   *
   * @throws QuestionException if the words of the question stand for nothing
   */
  public Explanation explain(Question question) {
    return new Answer(question, mesh.get()).give();
  }

  /** One explanation in the making. Confined to the thread that explains. */
  private final class Answer {
    private final Question question;
    private final MeshView view;
    private final Steps steps = new Steps();
    private final Names.Source source;
    private final Names.Destination destination;

    Answer(Question question, MeshView view) {
      this.question = question;
      this.view = view;
      Names names = new Names(view, settings.network());
      this.source = names.source(question.source());
      this.destination = names.destination(question.destination(), question.port(), source);
    }

    Explanation give() {
      steps.add("from " + describe(source));
      steps.add("to " + describe(destination));
      Verdict verdict =
          switch (question.halves()) {
            case BOTH, OUTBOUND -> leave();
            case INBOUND -> arrive(namedWorkload(), destination.target(), source.identity());
          };
      return new Explanation(steps.list(), verdict);
    }

    private Workload namedWorkload() {
      return switch (destination.named()) {
        case Workload workload -> workload;
        case Service service ->
            throw new QuestionException(
                "dst: %s is a service (expected: a workload, for the inbound half)"
                    .formatted(service.key()));
        case null -> {
          Workload workload =
              view.workload(
                  new NetworkAddress(settings.network(), destination.target().getAddress()));
          if (workload == null) {
            throw new QuestionException(
                "dst: %s is no workload of the mesh (expected: a workload, for the inbound half)"
                    .formatted(question.destination()));
          }
          yield workload;
        }
      };
    }

    // The half at the client's node.

    private Verdict leave() {
      Workload client = source.workload();
      if (client == null) {
        throw new QuestionException(
            "src: %s is no workload of the mesh, so its connections pass no proxy on their way out (expected: a workload, or direction=inbound)"
                .formatted(question.source()));
      }
      steps.enter(Place.OUTBOUND);
      InetSocketAddress target = destination.target();
      PodHealth its = health.of(client.uid());
      RouteNarrator narrator =
          new RouteNarrator(view, steps, its::setAsideFor, settings.onDemand());
      Set<GatewayAddress.Destination> met = new LinkedHashSet<>();
      RouteResult result =
          outbound.route(
              new OutboundCall(client, source.addressFor(target.getAddress()), target),
              view,
              its::isSetAside,
              narrator,
              met::add);
      for (GatewayAddress.Destination gateway : met) {
        if (view.find(gateway, client.namespace()) == null) {
          steps.add("waypoint or gateway %s is not known to the mesh".formatted(gateway));
          narrator.askedFor();
        }
      }
      return switch (result) {
        case RouteFailure failure -> Verdict.failed(Failures.of(failure));
        case UnresolvedRoute unresolved -> {
          steps.add(
              "workload %s has no address, its host name %s is asked for"
                  .formatted(unresolved.workload().uid(), unresolved.hostname()));
          yield Verdict.of(
              Outcome.ELSEWHERE, "the name service has the next word on " + unresolved.hostname());
        }
        case Route.Passthrough(InetSocketAddress address) -> {
          steps.add("route: plain TCP to " + IpText.of(address) + ", as the application asked");
          yield Verdict.of(
              Outcome.UNGUARDED, "it leaves the mesh: passed through, without identity");
        }
        case Route.DirectTcp(Hop hop, var _) -> {
          steps.add(
              "route: plain TCP to %s (%s does not speak HBONE)"
                  .formatted(IpText.of(hop.address()), hop.workload().uid()));
          yield Verdict.of(
              Outcome.UNGUARDED,
              "the destination is not in the mesh: no policy of ours is asked, and no identity is shown");
        }
        case Route.Hbone(Hop hop, String authority, var _) -> {
          steps.add(
              "route: tunnel to %s (%s), CONNECT %s, peer must be %s"
                  .formatted(
                      IpText.of(hop.address()),
                      hop.workload().uid(),
                      authority,
                      hop.acceptedIdentities()));
          yield afterTunnel(client, hop, authority, narrator.isToWaypoint());
        }
        case Route.DoubleHbone twice -> {
          steps.add(
              "route: tunnel to gateway %s (%s), peer must be %s; in it a second one, CONNECT %s, peer must be %s"
                  .formatted(
                      IpText.of(twice.gateway().address()),
                      twice.gateway().workload().uid(),
                      twice.gateway().acceptedIdentities(),
                      twice.authority(),
                      twice.innerIdentities()));
          yield Verdict.of(
              Outcome.ELSEWHERE, "the other network chooses the endpoint and asks its policies");
        }
      };
    }

    private Verdict afterTunnel(Workload client, Hop hop, String authority, boolean toWaypoint) {
      if (question.halves() == Question.Halves.OUTBOUND) {
        return Verdict.of(Outcome.ROUTED, "to %s".formatted(hop.workload().uid()));
      }
      if (toWaypoint) {
        return Verdict.of(
            Outcome.ELSEWHERE,
            "waypoint %s asks the policies and calls the destination"
                .formatted(hop.workload().uid()));
      }
      if (hop.workload().nativeTunnel()) {
        return Verdict.of(
            Outcome.ELSEWHERE, hop.workload().uid() + " ends the tunnel and asks policies itself");
      }
      int port =
          Authority.parse(authority)
              .orElseThrow(() -> new IllegalStateException("authority: " + authority))
              .port();
      return arrive(
          hop.workload(),
          new InetSocketAddress(hop.address().getAddress(), port),
          client.identity());
    }

    // The half at the destination's node.

    /**
     * It comes in.
     *
     * @param target the address and the port that are asked for
     * @param known the identity of the client as the mesh knows it; null: it comes without a tunnel
     */
    private Verdict arrive(Workload local, InetSocketAddress target, @Nullable SpiffeId known) {
      steps.enter(Place.INBOUND);
      InetSocketAddress from = new InetSocketAddress(source.addressFor(target.getAddress()), 0);
      SpiffeId identity =
          switch (question.client()) {
            case Client.AsKnown _ -> known;
            case Client.Plain _ -> null;
            case Client.Identified(SpiffeId given) -> given;
          };
      return identity == null
          ? plain(local, target, from)
          : tunnelled(local, target, from, identity);
    }

    private Verdict plain(Workload local, InetSocketAddress target, InetSocketAddress from) {
      steps.add(
          "plain TCP to %s from %s, without an identity"
              .formatted(IpText.of(target), IpText.of(from.getAddress())));
      if (target.getPort() == ProxySettings.HBONE_PORT) { // it is not redirected
        return Verdict.failed(
            new ConnectionFailure.TlsFailed(
                ConnectionFailure.TlsRole.SERVER,
                "port %d is for tunnels, which begin with TLS"
                    .formatted(ProxySettings.HBONE_PORT)));
      }
      return judge(inbound.passthrough(local, target, view), from, null);
    }

    private Verdict tunnelled(
        Workload local, InetSocketAddress target, InetSocketAddress from, SpiffeId identity) {
      Verdict refused =
          Handshakes.refusal(local.identity(), identity, settings.trustDomainAliases());
      if (refused != null) {
        steps.add(
            "TLS handshake from %s, identity %s".formatted(IpText.of(from.getAddress()), identity));
        return refused;
      }
      steps.add(
          "CONNECT %s from %s, identity %s"
              .formatted(IpText.of(target), IpText.of(from.getAddress()), identity));
      return judge(
          inbound.route(
              new InboundCall(
                  local,
                  target.getAddress(),
                  new Authority.Address(target.getAddress(), target.getPort()),
                  identity),
              view),
          from,
          identity);
    }

    private Verdict judge(
        InboundResult result, InetSocketAddress from, @Nullable SpiffeId identity) {
      return switch (result) {
        case InboundFailure failure -> Verdict.failed(Failures.of(failure));
        case InboundRoute route -> {
          steps.add(
              "delivered to %s, application at %s%s"
                  .formatted(
                      route.local().uid(),
                      IpText.of(route.dial()),
                      route.announced() == null
                          ? ""
                          : ", with a PROXY header for " + IpText.of(route.announced())));
          yield new PolicyNarrator(view, steps)
              .ask(
                  route.local(),
                  new Connection(from, route.destination(), identity, settings.network()));
        }
      };
    }

    private static String describe(Names.Source source) {
      Workload workload = source.workload();
      InetAddress address = source.address();
      if (workload == null) {
        return (address == null ? "nowhere" : IpText.of(address)) + ", not in the mesh";
      }
      return "%s at %s, identity %s"
          .formatted(
              workload.uid(),
              address == null
                  ? String.join(", ", workload.ips().stream().map(IpText::of).toList())
                  : IpText.of(address),
              workload.identity());
    }

    private static String describe(Names.Destination destination) {
      String target = IpText.of(destination.target());
      return switch (destination.named()) {
        case null -> target;
        case Service service -> "%s, an address of service %s".formatted(target, service.key());
        case Workload workload -> "%s, an address of workload %s".formatted(target, workload.uid());
      };
    }
  }
}
