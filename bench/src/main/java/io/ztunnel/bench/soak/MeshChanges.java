package io.ztunnel.bench.soak;

import io.grpc.Status;
import io.ztunnel.bench.lab.Application;
import io.ztunnel.bench.lab.JoinedCluster;
import io.ztunnel.bench.lab.Pause;
import io.ztunnel.bench.lab.WireMesh;
import io.ztunnel.redirection.Lab;
import io.ztunnel.redirection.Peer;
import io.ztunnel.xds.FakeControlPlane;
import java.io.IOException;
import java.math.BigInteger;
import java.net.Socket;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.Set;

/**
 * Everything that changes in two clusters: pods, each with a name of its own and the address of one
 * that went before, policies, revoked certificates, the control planes' streams, the agents, the
 * daemons of one node of each cluster. For one thread at a time.
 */
final class MeshChanges {
  private static final int MOST_GUESTS = 4;
  private static final Duration BETWEEN = Duration.ofMillis(500);
  private static final Duration DEADLINE = Duration.ofSeconds(2);

  /** All daemons have read a changed list of revoked certificates by then. */
  private static final Duration UNTIL_READ = Duration.ofSeconds(1);

  private final JoinedCluster west;
  private final JoinedCluster east;
  private final String service;
  private final Revocations revocations;
  private final List<Guest> guests = new ArrayList<>();
  private int arrived;
  private int policies;
  private int revoked;
  private int restarts;
  private int updates;

  private enum Change {
    ARRIVAL,
    DEPARTURE,
    POLICY,
    REVOCATION,
    END_OF_STREAMS,
    RESTART_OF_AN_AGENT,
    UPDATE_OF_A_DAEMON;

    /** What is drawn from. */
    private static final List<Change> ALL =
        List.of(
            ARRIVAL,
            ARRIVAL,
            ARRIVAL,
            DEPARTURE,
            DEPARTURE,
            POLICY,
            REVOCATION,
            END_OF_STREAMS,
            RESTART_OF_AN_AGENT,
            UPDATE_OF_A_DAEMON);
  }

  /** A pod that will not stay, and its server. */
  private record Guest(JoinedCluster cluster, Lab.Pod pod, Application application) {}

  /**
   * No change yet.
   *
   * @param service of which the guests are, in both clusters
   */
  MeshChanges(JoinedCluster west, JoinedCluster east, String service, Revocations revocations) {
    this.west = west;
    this.east = east;
    this.service = service;
    this.revocations = revocations;
  }

  /** Changes something. */
  void change(Random random) throws IOException {
    JoinedCluster cluster = random.nextBoolean() ? west : east;
    switch (Change.ALL.get(random.nextInt(Change.ALL.size()))) {
      case ARRIVAL -> {
        if (guests.size() < MOST_GUESTS) {
          welcome(cluster, random.nextBoolean() ? cluster.first() : cluster.second());
        }
      }
      case DEPARTURE -> {
        if (!guests.isEmpty()) {
          Guest guest = guests.remove(random.nextInt(guests.size()));
          if (random.nextBoolean()) {
            dismiss(guest);
          } else {
            lose(guest);
          }
        }
      }
      case POLICY -> forbidAndAllow(cluster);
      case REVOCATION -> {
        if (!guests.isEmpty()) {
          revokeAndForgive(guests.get(random.nextInt(guests.size())));
        }
      }
      case END_OF_STREAMS -> {
        cluster.controlPlane().endStreams(Status.UNAVAILABLE);
        restarts++;
      }
      case RESTART_OF_AN_AGENT -> {
        cluster.restartAgent(random.nextBoolean() ? cluster.first() : cluster.second());
        restarts++;
      }
      case UPDATE_OF_A_DAEMON -> {
        cluster.replaceDaemon(updated(cluster));
        updates++;
      }
    }
    Pause.of(BETWEEN);
  }

  /** The client's node of one cluster, the servers' of the other one. */
  private Lab.Node updated(JoinedCluster cluster) {
    return cluster == west ? cluster.first() : cluster.second();
  }

  private void welcome(JoinedCluster cluster, Lab.Node node) throws IOException {
    Lab.Pod pod = cluster.addPod(node, "guest-" + ++arrived);
    Application application =
        Application.start(pod, JoinedCluster.WEB_PORT, Application.Service::echo);
    guests.add(new Guest(cluster, pod, application));
    cluster.announce(pod);
    cluster.setServing(pod, service);
    tellBoth();
    // So that it has a certificate, and tunnels of its own.
    try (Socket socket =
        Peer.connect(pod, cluster.vip(service), JoinedCluster.SERVICE_PORT, DEADLINE)) {
      Peer.say(socket, "hello");
      String _ = Peer.hear(socket, 5);
    } catch (IOException e) {
      // whoever it came to has just gone
    }
  }

  /** A pod that goes in order: first out of the lists, then its program, then its network. */
  private void dismiss(Guest guest) throws IOException {
    guest.cluster.removePod(guest.pod);
    tellBoth();
    guest.application.close();
    guest.cluster.takeBack(guest.pod);
    guest.pod.delete();
  }

  /** A pod whose network is gone before anybody knows. */
  private void lose(Guest guest) throws IOException {
    guest.pod.delete();
    guest.application.close();
    guest.cluster.takeBack(guest.pod);
    guest.cluster.removePod(guest.pod);
    tellBoth();
  }

  private void tellBoth() {
    west.tell(east);
    east.tell(west);
  }

  /** A policy against whoever has arrived last, for a moment. */
  private void forbidAndAllow(JoinedCluster cluster) throws IOException {
    String name = "against-guest-" + ++policies;
    FakeControlPlane server = cluster.controlPlane();
    String principal =
        guests.isEmpty()
            ? "cluster.local/ns/nobody/sa/nobody"
            : WireMesh.principal(guests.getLast().pod);
    server.put(
        FakeControlPlane.AUTHORIZATION,
        WireMesh.denyCaller(name, WireMesh.Scope.NAMESPACE, principal));
    Pause.of(BETWEEN);
    server.remove(FakeControlPlane.AUTHORIZATION, Set.of(WireMesh.qualified(name)));
  }

  /** The certificate that a guest has now is revoked, for a moment. */
  private void revokeAndForgive(Guest guest) throws IOException {
    List<BigInteger> serials =
        Revocations.serials(
            guest.cluster.daemon(guest.pod), "spiffe://" + WireMesh.principal(guest.pod));
    revocations.revoke(serials);
    revoked += serials.size();
    Pause.of(UNTIL_READ);
    revocations.revoke(List.of());
  }

  /** Lets all guests go, and daemons that have been replaced. */
  void settle() throws IOException {
    for (Guest guest : guests) {
      dismiss(guest);
    }
    guests.clear();
    west.awaitReplaced();
    east.awaitReplaced();
  }

  /** How many pods have come so far. */
  int pods() {
    return arrived;
  }

  /** How many policies have come and gone so far. */
  int policies() {
    return policies;
  }

  /** How many certificates were revoked so far. */
  int revoked() {
    return revoked;
  }

  /** How often a control plane or an agent has begun anew so far. */
  int restarts() {
    return restarts;
  }

  /** How often another daemon has taken a node over so far. */
  int updates() {
    return updates;
  }
}
