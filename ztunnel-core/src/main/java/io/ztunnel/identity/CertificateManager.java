package io.ztunnel.identity;

import io.netty.util.concurrent.EventExecutor;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.Promise;
import io.netty.util.concurrent.ScheduledFuture;
import io.ztunnel.hbone.ClientTls;
import io.ztunnel.hbone.KeyMaterial;
import io.ztunnel.hbone.ServerTls;
import io.ztunnel.hbone.SpiffeId;
import io.ztunnel.hbone.TlsSettings;
import java.io.IOException;
import java.security.cert.X509Certificate;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
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
 * for each identity, renews at half of the validity, keeps a valid certificate when renewal fails,
 * retries with growing pauses (Istio: 1 s doubling to 150 s, each ±20 %).
 *
 * <p>The table is written by the control thread only and read by any thread; a certificate that is
 * there is handed out without a thread change. A failed first attempt is the answer to all who ask
 * until the retry succeeds.
 */
public final class CertificateManager implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger("ztunnel::identity::manager");

  /** How long a connection waits for the first certificate of its workload. */
  private static final Duration FIRST_WAIT = Duration.ofSeconds(10);

  /** How long a connection may be in the making with a certificate that has been replaced. */
  private static final Duration RETIREMENT = Duration.ofMinutes(1);

  private static final String SHUTTING_DOWN = "shutting down";
  private static final Duration FIRST_RETRY = Duration.ofSeconds(1);
  private static final Duration LAST_RETRY = Duration.ofSeconds(150);
  private static final double RETRY_JITTER = 0.2;

  /**
   * The shortest pause before a renewal: clocks that differ and short validities make certificates
   * that are due as soon as they come.
   */
  private static final Duration FIRST_RENEWAL = Duration.ofSeconds(1);

  /** Renewals are spread over this share of the validity, before its half. */
  private static final double RENEWAL_JITTER = 0.05;

  private final EventExecutor control;
  private final CertificateAuthority authority;
  private final TlsSettings settings;
  private final Clock clock;
  private final RandomGenerator random;
  private final Map<SpiffeId, Entry> entries = new ConcurrentHashMap<>();

  /** Read and written by the control thread. */
  private boolean closed;

  /**
   * @param control the control thread
   * @param authority closed together with this
   */
  public CertificateManager(
      EventExecutor control,
      CertificateAuthority authority,
      TlsSettings settings,
      Clock clock,
      RandomGenerator random) {
    this.control = control;
    this.authority = authority;
    this.settings = settings;
    this.clock = clock;
    this.random = random;
  }

  /**
   * The certificate of an identity, asked for if it is not known yet. Callable from any thread; the
   * future completes on the given executor, within ten seconds. Its failure says why there is none.
   */
  public Future<WorkloadTls> fetch(SpiffeId identity, EventExecutor executor) {
    @Nullable Entry entry = entries.get(identity);
    if (entry != null && entry.state instanceof CertificateState.Available(WorkloadTls tls)) {
      return executor.newSucceededFuture(tls);
    }
    Promise<WorkloadTls> promise = executor.newPromise();
    control.execute(
        () -> {
          if (closed) {
            promise.tryFailure(new IOException(SHUTTING_DOWN));
          } else {
            entry(identity).await(promise);
          }
        });
    return promise;
  }

  /** Asks for a certificate ahead of its first use. Callable from any thread. */
  public void prefetch(SpiffeId identity) {
    control.execute(
        () -> {
          if (!closed) {
            Entry _ = entry(identity);
          }
        });
  }

  /** Drops an identity that no workload of the node has any more. Callable from any thread. */
  public void forget(SpiffeId identity) {
    control.execute(
        () -> {
          @Nullable Entry entry = entries.remove(identity);
          if (entry != null) {
            entry.close("the identity is no longer needed");
          }
        });
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
          authority.close();
        });
  }

  private Entry entry(SpiffeId identity) {
    assert control.inEventLoop();
    @Nullable Entry entry = entries.get(identity);
    if (entry == null) {
      entry = new Entry(identity);
      entries.put(identity, entry);
      entry.sign();
    }
    return entry;
  }

  /** When to renew: at half of the validity, a little earlier by chance; at once if it is past. */
  static Duration untilRenewal(X509Certificate leaf, Instant now, RandomGenerator random) {
    Instant from = leaf.getNotBefore().toInstant();
    Instant to = leaf.getNotAfter().toInstant();
    if (to.isBefore(from) || now.isBefore(from)) {
      return Duration.ZERO;
    }
    Duration validity = Duration.between(from, to);
    long jitterMillis = (long) (validity.toMillis() * RENEWAL_JITTER * random.nextDouble());
    Duration left =
        Duration.between(now, from.plus(validity.dividedBy(2)).minusMillis(jitterMillis));
    return left.isNegative() ? Duration.ZERO : left;
  }

  /** The pause after so many failures in a row, one or more. */
  static Duration retryPause(int failures, RandomGenerator random) {
    long millis = FIRST_RETRY.toMillis() << Math.min(failures - 1, 10);
    long capped = Math.min(millis, LAST_RETRY.toMillis());
    return Duration.ofMillis(
        (long) (capped * random.nextDouble(1 - RETRY_JITTER, 1 + RETRY_JITTER)));
  }

  /** One identity. Written by the control thread only; its state is read by any thread. */
  private final class Entry {
    private final SpiffeId identity;
    private final List<Promise<WorkloadTls>> waiters = new ArrayList<>();
    private volatile CertificateState state = new CertificateState.Initializing();
    private @Nullable ScheduledFuture<?> timer;
    private int failures;
    private boolean closed;

    Entry(SpiffeId identity) {
      this.identity = identity;
    }

    void await(Promise<WorkloadTls> promise) {
      assert control.inEventLoop();
      switch (state) {
        case CertificateState.Available(WorkloadTls tls) -> promise.trySuccess(tls);
        case CertificateState.Unavailable(String error, Instant _) ->
            promise.tryFailure(new IOException(error));
        case CertificateState.Initializing _ -> {
          waiters.add(promise);
          control.schedule(
              () -> {
                if (waiters.remove(promise)) {
                  promise.tryFailure(
                      new IOException("certificate pending for " + FIRST_WAIT.toSeconds() + " s"));
                }
              },
              FIRST_WAIT.toMillis(),
              TimeUnit.MILLISECONDS);
        }
      }
    }

    void sign() {
      timer = null;
      authority
          .sign(identity)
          .addListener((Future<KeyMaterial> signed) -> control.execute(() -> onSigned(signed)));
    }

    private void onSigned(Future<KeyMaterial> signed) {
      assert control.inEventLoop();
      if (closed) {
        return; // forgotten meanwhile
      }
      if (!signed.isSuccess()) {
        onFailure(signed.cause());
        return;
      }
      KeyMaterial material = signed.getNow();
      WorkloadTls tls;
      try {
        tls =
            new WorkloadTls(
                material,
                ServerTls.create(material, settings),
                ClientTls.create(material, settings));
      } catch (RuntimeException e) {
        onFailure(e);
        return;
      }
      failures = 0;
      retire(state);
      state = new CertificateState.Available(tls);
      Duration due = untilRenewal(material.leaf(), clock.instant(), random);
      Duration renewal = due.compareTo(FIRST_RENEWAL) < 0 ? FIRST_RENEWAL : due;
      timer = control.schedule(this::sign, renewal.toMillis(), TimeUnit.MILLISECONDS);
      LOG.debug("certificate of {} renews in {}", identity, renewal);
      List<Promise<WorkloadTls>> answered = List.copyOf(waiters);
      waiters.clear();
      answered.forEach(waiter -> waiter.trySuccess(tls));
    }

    private void onFailure(Throwable cause) {
      failures++;
      Duration pause = retryPause(failures, random);
      String error = cause.getMessage() == null ? cause.toString() : cause.getMessage();
      Instant now = clock.instant();
      if (state instanceof CertificateState.Available(WorkloadTls tls)
          && now.isBefore(tls.material().leaf().getNotAfter().toInstant())) {
        Duration left = Duration.between(now, tls.material().leaf().getNotAfter().toInstant());
        pause = pause.compareTo(left) < 0 ? pause : left;
        LOG.warn("certificate of {} not renewed, the old one is still valid: {}", identity, error);
      } else {
        LOG.warn("no certificate for {}: {}", identity, error);
        retire(state);
        state = new CertificateState.Unavailable(error, now.plus(pause));
        List<Promise<WorkloadTls>> answered = List.copyOf(waiters);
        waiters.clear();
        answered.forEach(waiter -> waiter.tryFailure(new IOException(error, cause)));
      }
      timer = control.schedule(this::sign, pause.toMillis(), TimeUnit.MILLISECONDS);
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
      closed = true;
      retire(state);
      if (timer != null) {
        timer.cancel(false);
        timer = null;
      }
      List<Promise<WorkloadTls>> answered = List.copyOf(waiters);
      waiters.clear();
      answered.forEach(waiter -> waiter.tryFailure(new IOException(reason)));
    }
  }
}
