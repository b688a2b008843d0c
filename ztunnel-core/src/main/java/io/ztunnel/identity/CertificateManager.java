package io.ztunnel.identity;

import io.netty.util.concurrent.EventExecutor;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.Promise;
import io.netty.util.concurrent.ScheduledFuture;
import io.ztunnel.hbone.ClientTls;
import io.ztunnel.hbone.KeyMaterial;
import io.ztunnel.hbone.PeerTrust;
import io.ztunnel.hbone.ServerTls;
import io.ztunnel.hbone.SpiffeId;
import io.ztunnel.hbone.TlsSettings;
import io.ztunnel.hbone.TrustRoots;
import java.io.IOException;
import java.security.cert.X509Certificate;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Hands out the certificates of the node's workloads and keeps them fresh: asks the authority once
 * for each identity, the most urgent first, renews at half of the validity, keeps a valid
 * certificate when renewal fails, retries with growing pauses (Istio: 1 s doubling to 150 s, each
 * ±20 %). An expired one is not handed out: who asks waits for the renewal, which becomes urgent.
 *
 * <p>Peers are believed by the roots that came with the certificates: all identities of a trust
 * domain trust every root that came with a certificate which one of them holds. So a new root
 * counts for all from its first appearance, and a former one until the last certificate that came
 * with it is replaced; while roots are rotated, nobody meets a peer that is ahead or behind and
 * cannot be verified.
 *
 * <p>The table is written by the control thread only and read by any thread; a certificate that is
 * there is handed out without a thread change. Who asks for one that could not be had hears the
 * error until a retry succeeds, but for the first retry, a second later, which is waited for; and a
 * connection that asks brings a retry forward that is far away.
 */
public final class CertificateManager implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger("ztunnel::identity::manager");

  /**
   * How long a connection waits for its workload's first certificate, or the one after an expiry.
   */
  private static final Duration FIRST_WAIT = Duration.ofSeconds(10);

  /** How long it waits for the first retry, when the error of the first attempt is known. */
  private static final Duration FIRST_RETRY_WAIT = Duration.ofSeconds(3);

  /** How long a connection may be in the making with a certificate that has been replaced. */
  private static final Duration RETIREMENT = Duration.ofMinutes(1);

  private static final String SHUTTING_DOWN = "shutting down";
  private static final Duration FIRST_RETRY = Duration.ofSeconds(1);
  private static final Duration LAST_RETRY = Duration.ofSeconds(150);
  private static final double RETRY_JITTER = 0.2;

  /**
   * The longest pause while connections ask. Without them an authority that comes back is left in
   * peace by most of a mesh.
   */
  private static final Duration LAST_RETRY_IF_ASKED = Duration.ofSeconds(5);

  /**
   * The shortest pause before a renewal: clocks that differ and short validities make certificates
   * that are due as soon as they come.
   */
  private static final Duration FIRST_RENEWAL = Duration.ofSeconds(1);

  /** How late a timer may be after the node was suspended. */
  private static final Duration LONGEST_TIMER = Duration.ofMinutes(1);

  /** Renewals are spread over this share of the validity, before its half. */
  private static final double RENEWAL_JITTER = 0.05;

  /** So many of the identities that were forgotten are remembered. */
  private static final int MAX_ORPHANS = 1024;

  private final EventExecutor control;
  private final CertificateAuthority authority;
  private final TlsSettings settings;
  private final Map<String, TrustRoots> rootsOfPeers;
  private final RevokedCertificates revoked;
  private final Clock clock;
  private final RandomGenerator random;
  private final Map<SpiffeId, Entry> entries = new ConcurrentHashMap<>();
  private final SigningQueue queue;

  /** By trust domain. Read and written by the control thread. */
  private final Map<String, TrustRoots> roots = new HashMap<>();

  /**
   * The last that were forgotten. A connection may still be in the making that asks for one of
   * them; nobody would forget it again. Read and written by the control thread.
   */
  private final Set<SpiffeId> orphans =
      Collections.newSetFromMap(
          new LinkedHashMap<>() {
            @Override
            protected boolean removeEldestEntry(Map.Entry<SpiffeId, Boolean> eldest) {
              return size() > MAX_ORPHANS;
            }
          });

  /** Read and written by the control thread. */
  private boolean closed;

  /**
   * @param control the control thread
   * @param authority closed together with this
   * @param rootsOfPeers by trust domain: those of its roots alone, instead of what came with our
   *     certificates
   * @param revoked which peers are not believed although their roots are
   */
  public CertificateManager(
      EventExecutor control,
      CertificateAuthority authority,
      TlsSettings settings,
      Map<String, TrustRoots> rootsOfPeers,
      RevokedCertificates revoked,
      Clock clock,
      RandomGenerator random) {
    this.control = control;
    this.authority = authority;
    this.settings = settings;
    this.rootsOfPeers = Map.copyOf(rootsOfPeers);
    this.revoked = revoked;
    this.clock = clock;
    this.random = random;
    this.queue = new SigningQueue(control, authority, this::onSigned);
  }

  /**
   * The certificate of an identity, asked for if it is not known yet. Callable from any thread; the
   * future completes on the given executor, within ten seconds. Its failure says why there is none.
   */
  public Future<WorkloadTls> fetch(SpiffeId identity, EventExecutor executor) {
    @Nullable Entry entry = entries.get(identity);
    if (entry != null
        && entry.state instanceof CertificateState.Available(WorkloadTls tls)
        && !isExpired(tls)) {
      entry.asked = true;
      return executor.newSucceededFuture(tls);
    }
    Promise<WorkloadTls> promise = executor.newPromise();
    control.execute(
        () -> {
          if (closed) {
            promise.tryFailure(new IOException(SHUTTING_DOWN));
          } else {
            entry(identity, Priority.REAL_TIME).await(promise);
          }
        });
    return promise;
  }

  /** Asks for a certificate ahead of its first use. Callable from any thread. */
  public void prefetch(SpiffeId identity) {
    control.execute(
        () -> {
          if (!closed) {
            orphans.remove(identity);
            entry(identity, Priority.WARMUP).isKept = true;
          }
        });
  }

  /**
   * Drops an identity that no workload of the node has any more. If a connection asks for it all
   * the same, it is kept until nobody has asked for it since its last certificate. Callable from
   * any thread.
   */
  public void forget(SpiffeId identity) {
    control.execute(
        () -> {
          orphans.add(identity);
          drop(identity);
        });
  }

  private void drop(SpiffeId identity) {
    @Nullable Entry entry = entries.remove(identity);
    if (entry != null) {
      queue.withdraw(identity);
      entry.close("the identity is no longer needed");
      updateRoots(identity.trustDomain());
    }
  }

  /**
   * Asks for a new certificate now, because the authority has another one; does nothing for an
   * identity that nobody asked for. Callable from any thread.
   */
  public void renew(SpiffeId identity) {
    control.execute(
        () -> {
          @Nullable Entry entry = entries.get(identity);
          if (entry != null) {
            entry.cancelTimer();
            queue.askAnew(identity, Priority.REAL_TIME);
          }
        });
  }

  /** The roots that peers are believed by, for identities of this trust domain. Control thread. */
  List<X509Certificate> trusted(String trustDomain) {
    assert control.inEventLoop();
    @Nullable TrustRoots known = roots.get(trustDomain);
    return known == null ? List.of() : known.roots();
  }

  /** Whom not to believe, and when that changes. */
  public RevokedCertificates revoked() {
    return revoked;
  }

  /** What there is for each identity, sorted by identity. Callable from any thread. */
  public SortedMap<String, CertificateState> states() {
    SortedMap<String, CertificateState> states = new TreeMap<>();
    entries.forEach((identity, entry) -> states.put(identity.toString(), entry.state));
    return states;
  }

  @Override
  public void close() {
    control.execute(
        () -> {
          closed = true;
          entries.values().forEach(entry -> entry.close(SHUTTING_DOWN));
          entries.clear();
          queue.clear();
          authority.close();
        });
  }

  private Entry entry(SpiffeId identity, Priority priority) {
    assert control.inEventLoop();
    @Nullable Entry entry = entries.get(identity);
    if (entry == null) {
      entry = new Entry(identity, !orphans.contains(identity));
      entries.put(identity, entry);
    }
    if (entry.isPending()) {
      queue.ask(identity, priority); // or raises it
    }
    return entry;
  }

  private boolean isExpired(WorkloadTls tls) {
    return !clock.instant().isBefore(tls.material().leaf().getNotAfter().toInstant());
  }

  private void onSigned(SpiffeId identity, Future<KeyMaterial> outcome) {
    assert control.inEventLoop();
    @Nullable Entry entry = entries.get(identity);
    if (entry != null) { // else forgotten meanwhile
      entry.onSigned(outcome);
    }
  }

  /** The roots of a trust domain, with those of a certificate that is about to be used. */
  private TrustRoots rootsWith(String trustDomain, KeyMaterial material) {
    @Nullable TrustRoots known = roots.get(trustDomain);
    if (known == null) {
      known = new TrustRoots(material.roots());
      roots.put(trustDomain, known);
    } else {
      Set<X509Certificate> all = new LinkedHashSet<>(known.roots());
      all.addAll(material.roots());
      known.replace(List.copyOf(all));
    }
    return known;
  }

  /** Drops roots that came with no certificate that is still held. */
  private void updateRoots(String trustDomain) {
    Set<X509Certificate> held = new LinkedHashSet<>();
    entries.forEach(
        (identity, entry) -> {
          if (identity.trustDomain().equals(trustDomain)
              && entry.state instanceof CertificateState.Available(WorkloadTls tls)) {
            held.addAll(tls.material().roots());
          }
        });
    @Nullable TrustRoots known = roots.get(trustDomain);
    if (held.isEmpty()) {
      roots.remove(trustDomain);
    } else if (known != null && !Set.copyOf(known.roots()).equals(held)) {
      known.replace(List.copyOf(held));
      LOG.info("trust domain {} has {} roots now", trustDomain, held.size());
    }
  }

  /**
   * When to renew: at half of the validity, a little earlier by chance; at once if it is past. One
   * that is not valid yet by the clock here is as good as one that has just become valid: the clock
   * is behind the authority's, who would give no better one.
   */
  static Duration untilRenewal(X509Certificate leaf, Instant now, RandomGenerator random) {
    Instant from = leaf.getNotBefore().toInstant();
    Instant to = leaf.getNotAfter().toInstant();
    if (to.isBefore(from)) {
      return Duration.ZERO;
    }
    Duration validity = Duration.between(from, to);
    long jitterMillis = (long) (validity.toMillis() * RENEWAL_JITTER * random.nextDouble());
    Instant begin = now.isBefore(from) ? now : from;
    Duration left =
        Duration.between(now, begin.plus(validity.dividedBy(2)).minusMillis(jitterMillis));
    return left.isNegative() ? Duration.ZERO : left;
  }

  /** The pause after so many failures in a row, one or more. */
  static Duration retryPause(int failures, RandomGenerator random) {
    long millis = FIRST_RETRY.toMillis() << Math.min(failures - 1, 10);
    return jittered(Math.min(millis, LAST_RETRY.toMillis()), random);
  }

  private static Duration jittered(long millis, RandomGenerator random) {
    return Duration.ofMillis(
        (long) (millis * random.nextDouble(1 - RETRY_JITTER, 1 + RETRY_JITTER)));
  }

  /** One identity. Written by the control thread only; its state is read by any thread. */
  private final class Entry {
    private final SpiffeId identity;
    private final List<Promise<WorkloadTls>> waiters = new ArrayList<>();
    private volatile CertificateState state = new CertificateState.Initializing();
    private @Nullable ScheduledFuture<?> timer;
    private int failures;

    /** When it may be asked for again if a connection wants it, after a failure. */
    private Instant retryIfAsked = Instant.MIN;

    private boolean wasAvailable;

    /** Whether it is renewed though nobody asks for it. */
    private boolean isKept;

    /** Whether a connection has asked for it since its last certificate; set by any thread. */
    private volatile boolean asked;

    Entry(SpiffeId identity, boolean isKept) {
      this.identity = identity;
      this.isKept = isKept;
    }

    void await(Promise<WorkloadTls> promise) {
      assert control.inEventLoop();
      asked = true;
      switch (state) {
        case CertificateState.Available(WorkloadTls tls) when !isExpired(tls) ->
            promise.trySuccess(tls);
        case CertificateState.Unavailable(String error, Instant retryAt) -> {
          Instant now = clock.instant();
          if (now.isBefore(retryAt) && retryIfAsked.isBefore(retryAt)) {
            Duration pause = Duration.between(now, retryIfAsked);
            state = new CertificateState.Unavailable(error, retryIfAsked);
            askIn(pause.isNegative() ? Duration.ZERO : pause, retryIfAsked);
          }
          if (mayStillSucceed()) {
            addWaiter(promise, FIRST_RETRY_WAIT);
          } else {
            promise.tryFailure(new IOException(error));
          }
        }
        case CertificateState.Initializing _, CertificateState.Available _ ->
            addWaiter(promise, FIRST_WAIT);
      }
    }

    private void addWaiter(Promise<WorkloadTls> promise, Duration limit) {
      waiters.add(promise);
      control.schedule(
          () -> {
            if (waiters.remove(promise)) {
              promise.tryFailure(
                  new IOException(
                      state instanceof CertificateState.Unavailable(String error, Instant _)
                          ? error
                          : "certificate pending for " + limit.toSeconds() + " s"));
            }
          },
          limit.toMillis(),
          TimeUnit.MILLISECONDS);
    }

    /** An authority may hear of a new pod a moment after the node did. */
    private boolean mayStillSucceed() {
      return failures == 1 && !wasAvailable;
    }

    /** Whether there is neither a valid certificate nor an error, as long as none was tried. */
    boolean isPending() {
      return switch (state) {
        case CertificateState.Initializing _ -> true;
        case CertificateState.Available(WorkloadTls tls) -> isExpired(tls);
        case CertificateState.Unavailable _ -> false;
      };
    }

    private void askIn(Duration pause) {
      askIn(pause, clock.instant().plus(pause));
    }

    /** By the clock if it is ahead of the timers, which stand still while a node is suspended. */
    private void askIn(Duration left, Instant due) {
      cancelTimer();
      Duration step = left.compareTo(LONGEST_TIMER) < 0 ? left : LONGEST_TIMER;
      timer =
          control.schedule(
              () -> {
                if (step.equals(left) || !clock.instant().isBefore(due)) {
                  onDue();
                } else {
                  askIn(left.minus(step), due);
                }
              },
              step.toMillis(),
              TimeUnit.MILLISECONDS);
    }

    private void onDue() {
      if (isKept || asked) {
        boolean hasNone = !(state instanceof CertificateState.Available);
        Priority priority = hasNone && asked ? Priority.REAL_TIME : Priority.BACKGROUND;
        if (hasNone) {
          asked = false; // there is no last certificate: since the last attempt
        }
        queue.ask(identity, priority);
      } else {
        drop(identity);
      }
    }

    void cancelTimer() {
      if (timer != null) {
        timer.cancel(false);
        timer = null;
      }
    }

    void onSigned(Future<KeyMaterial> signed) {
      assert control.inEventLoop();
      if (!signed.isSuccess()) {
        onFailure(signed.cause());
        return;
      }
      KeyMaterial material = signed.getNow();
      if (state instanceof CertificateState.Available(WorkloadTls held)
          && held.material().chain().equals(material.chain())
          && held.material().roots().equals(material.roots())) {
        onUnchanged(held);
        return;
      }
      WorkloadTls tls;
      try {
        PeerTrust trust =
            new PeerTrust(rootsWith(identity.trustDomain(), material), rootsOfPeers, revoked);
        tls =
            new WorkloadTls(
                material,
                ServerTls.create(material, trust, settings),
                ClientTls.create(material, trust, settings));
      } catch (RuntimeException e) {
        updateRoots(identity.trustDomain());
        onFailure(e);
        return;
      }
      failures = 0;
      asked = !waiters.isEmpty();
      retire(state);
      state = new CertificateState.Available(tls);
      wasAvailable = true;
      Duration due = untilRenewal(material.leaf(), clock.instant(), random);
      Duration renewal = due.compareTo(FIRST_RENEWAL) < 0 ? FIRST_RENEWAL : due;
      askIn(renewal);
      updateRoots(identity.trustDomain());
      LOG.debug("certificate of {} renews in {}", identity, renewal);
      answer(tls);
    }

    private void answer(WorkloadTls tls) {
      List<Promise<WorkloadTls>> answered = List.copyOf(waiters);
      waiters.clear();
      answered.forEach(waiter -> waiter.trySuccess(tls));
    }

    private void failWaiters(IOException why) {
      List<Promise<WorkloadTls>> told = List.copyOf(waiters);
      waiters.clear();
      told.forEach(waiter -> waiter.tryFailure(why));
    }

    /** The authority has no newer one yet, as with files: asks again at half of what is left. */
    private void onUnchanged(WorkloadTls held) {
      KeyMaterial material = held.material();
      Duration left = Duration.between(clock.instant(), material.leaf().getNotAfter().toInstant());
      if (left.isNegative() || left.isZero()) {
        onFailure(new IOException("the certificate expired at " + time(material)));
        return;
      }
      failures = 0;
      Duration pause = left.dividedBy(2);
      askIn(pause.compareTo(FIRST_RENEWAL) < 0 ? FIRST_RENEWAL : pause);
      answer(held); // who came while the clock was ahead
    }

    private static String time(KeyMaterial material) {
      return material.leaf().getNotAfter().toInstant().toString();
    }

    private void onFailure(Throwable cause) {
      failures++;
      Duration pause = retryPause(failures, random);
      String error = cause.getMessage() == null ? cause.toString() : cause.getMessage();
      Instant now = clock.instant();
      if (state instanceof CertificateState.Available(WorkloadTls tls) && !isExpired(tls)) {
        Duration left = Duration.between(now, tls.material().leaf().getNotAfter().toInstant());
        pause = pause.compareTo(left) < 0 ? pause : left;
        LOG.warn("certificate of {} not renewed, the old one is still valid: {}", identity, error);
        answer(tls); // who came while the clock was ahead
      } else {
        LOG.warn("no certificate for {}: {}", identity, error);
        retire(state);
        state = new CertificateState.Unavailable(error, now.plus(pause));
        retryIfAsked = now.plus(jittered(LAST_RETRY_IF_ASKED.toMillis(), random));
        if (!mayStillSucceed()) {
          failWaiters(new IOException(error, cause));
        }
        updateRoots(identity.trustDomain());
      }
      askIn(pause);
    }

    /** Frees what connections were made with, once none can be in the making with it. */
    private void retire(CertificateState former) {
      if (former instanceof CertificateState.Available(WorkloadTls tls)) {
        ScheduledFuture<?> _ =
            control.schedule(tls::close, RETIREMENT.toMillis(), TimeUnit.MILLISECONDS);
      }
    }

    void close(String reason) {
      assert control.inEventLoop();
      retire(state);
      cancelTimer();
      failWaiters(new IOException(reason));
    }
  }
}
