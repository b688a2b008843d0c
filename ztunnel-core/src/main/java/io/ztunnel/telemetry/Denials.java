package io.ztunnel.telemetry;

import io.ztunnel.mesh.IpText;
import io.ztunnel.mesh.Workload;
import io.ztunnel.policy.Connection;
import io.ztunnel.policy.Decision;
import io.ztunnel.policy.PolicyNote;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;

/**
 * The last connections to each workload that policies did not allow, and those that policies on
 * trial would not. Of a peer that tries again and again there is one entry, which counts. A bounded
 * number of workloads and of entries for each is kept; what is older goes.
 *
 * <p>Any thread. One lock, held for the time of two map operations: event loops meet here only when
 * something is denied, and what would be shared without a lock could not be bounded.
 */
public final class Denials {
  /** How many workloads are remembered. */
  public static final int MAX_WORKLOADS = 500;

  /** How many entries are kept of each. */
  public static final int MAX_ENTRIES = 20;

  /** What happened. */
  public enum Effect {
    /** The connection was refused or cut. */
    DENIED("denied"),
    /** A policy on trial would have had it denied. */
    WOULD_BE_DENIED("would be denied");

    private final String text;

    Effect(String text) {
      this.text = text;
    }

    /** For people. */
    public String text() {
      return text;
    }
  }

  /**
   * What makes two denials the same. Immutable.
   *
   * @param peer the address of the client
   * @param identity of the client; empty: it came without a tunnel
   * @param destination address and port
   * @param policy {@code namespace/name} of the policy that matched; empty: none did that allows
   * @param rule the index of its rule; {@link PolicyNote#NO_RULE} where none is meant
   */
  public record Cause(
      Effect effect, String peer, String identity, String destination, String policy, int rule) {}

  /**
   * One or more denials of a kind. Immutable.
   *
   * @param detail of the last one, with what kept policies from allowing it
   */
  public record Entry(Cause cause, String detail, Instant first, Instant last, long count) {
    private Entry again(String detail, Instant now) {
      return new Entry(cause, detail, first, now, count + 1);
    }
  }

  /**
   * What is remembered of a workload. Immutable.
   *
   * @param entries the latest last
   */
  public record OfWorkload(String uid, String namespace, String name, List<Entry> entries) {
    public OfWorkload {
      entries = List.copyOf(entries);
    }
  }

  /** The same while it is written, under the lock. */
  private static final class Ring {
    final String namespace;
    final String name;
    final SequencedMap<Cause, Entry> entries = new LinkedHashMap<>();

    Ring(Workload workload) {
      namespace = workload.namespace();
      name = workload.name();
    }
  }

  private final InstantSource clock;
  private final Object lock = new Object();

  /** By workload uid, the latest last; guarded by the lock. */
  private final SequencedMap<String, Ring> workloads = new LinkedHashMap<>();

  public Denials(InstantSource clock) {
    this.clock = clock;
  }

  /** A decision was made about a connection to this workload. */
  public void onDecision(Workload local, Connection connection, Decision decision) {
    for (PolicyNote note : decision.notes()) {
      switch (note.kind()) {
        case DRY_RUN_DENY_MATCH, DRY_RUN_NO_ALLOW_MATCH ->
            add(
                local,
                cause(Effect.WOULD_BE_DENIED, connection, note.policy(), note.rule()),
                note.kind().message());
        case UNKNOWN_POLICY,
            DENY_MATCH,
            DRY_RUN_ALLOW_MATCH,
            NO_ALLOW_POLICIES,
            ALLOW_MATCH,
            NO_ALLOW_MATCH -> {}
      }
    }
    switch (decision) {
      case Decision.Allow _ -> {}
      case Decision.ExplicitlyDenied denied ->
          add(
              local,
              cause(Effect.DENIED, connection, denied.policy(), denied.rule()),
              denied.detail());
      case Decision.NotAllowed denied ->
          add(local, cause(Effect.DENIED, connection, "", PolicyNote.NO_RULE), denied.detail());
    }
  }

  private static Cause cause(Effect effect, Connection connection, String policy, int rule) {
    return new Cause(
        effect,
        IpText.of(connection.source().getAddress()),
        connection.identity() == null ? "" : connection.identity().toString(),
        IpText.of(connection.destination()),
        policy,
        rule);
  }

  private void add(Workload local, Cause cause, String detail) {
    Instant now = clock.instant();
    synchronized (lock) {
      Ring known = workloads.remove(local.uid());
      Ring ring = known == null ? new Ring(local) : known;
      workloads.putLast(local.uid(), ring);
      if (workloads.size() > MAX_WORKLOADS) {
        workloads.pollFirstEntry();
      }
      Entry before = ring.entries.remove(cause);
      ring.entries.putLast(
          cause,
          before == null ? new Entry(cause, detail, now, now, 1) : before.again(detail, now));
      if (ring.entries.size() > MAX_ENTRIES) {
        ring.entries.pollFirstEntry();
      }
    }
  }

  /** All that is remembered, the workload with the latest denial first. */
  public List<OfWorkload> latest() {
    List<OfWorkload> latest = new ArrayList<>();
    synchronized (lock) {
      for (Map.Entry<String, Ring> entry : workloads.reversed().entrySet()) {
        Ring ring = entry.getValue();
        latest.add(
            new OfWorkload(
                entry.getKey(), ring.namespace, ring.name, List.copyOf(ring.entries.values())));
      }
    }
    return latest;
  }
}
