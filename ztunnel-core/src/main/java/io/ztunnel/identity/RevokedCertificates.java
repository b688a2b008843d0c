package io.ztunnel.identity;

import io.netty.util.concurrent.EventExecutor;
import io.ztunnel.hbone.Revocations;
import io.ztunnel.mesh.Registration;
import java.security.cert.X509Certificate;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The revocations in force: what handshakes ask, and whom to tell when there are others, because
 * open connections are to be looked at again.
 *
 * <p>Observers are kept and called by the control thread; the list itself is replaced by any thread
 * and read by any.
 */
public final class RevokedCertificates implements Revocations {
  private final EventExecutor control;
  private final Set<Runnable> observers = new LinkedHashSet<>();

  /** Replaced as a whole, read by handshakes on any event loop. */
  private volatile Revocations current = Revocations.NONE;

  public RevokedCertificates(EventExecutor control) {
    this.control = control;
  }

  /** These are revoked now, instead of the former; the observers are told. */
  void replace(Revocations revocations) {
    current = revocations; // before the observers look, so that no connection slips through
    control.execute(() -> List.copyOf(observers).forEach(Runnable::run));
  }

  /** Calls this on the control thread whenever something else is revoked. Any thread. */
  public Registration observe(Runnable observer) {
    Runnable own = () -> observer.run(); // one of its own for each registration
    control.execute(() -> observers.add(own));
    return () -> control.execute(() -> observers.remove(own));
  }

  @Override
  public @Nullable X509Certificate revoked(
      List<X509Certificate> chain, List<X509Certificate> roots) {
    return current.revoked(chain, roots);
  }
}
