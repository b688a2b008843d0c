package io.ztunnel.hbone;

import java.util.Comparator;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/**
 * The budget of received bytes that wait for slow readers, shared by all connections of a process.
 *
 * <p>Below the limit a connection gives its peer new credit for whatever arrives, so that a reader
 * that has stopped does not stop its neighbours. Above it, credit of the connection comes back only
 * as bytes are consumed: then no more than one connection window can arrive on each connection for
 * readers that do not read, and memory stays bounded. What is still to be delivered when its tunnel
 * is over counts too, and has the same limit for itself alone.
 *
 * <p>Tenants that share a budget have a {@link #part} each. A part may hold twice what is left of
 * the whole (dynamic thresholds, as switches share their buffers): one alone two thirds of it, two
 * that compete two fifths each; and a hundred-and-twenty-eighth of the whole in any case, however
 * much windows that were open have brought the others. So something is always left for who comes,
 * and who holds too much is the first to wait for its readers.
 *
 * <p>Windows that were open before the limit was reached can bring more than it, one connection
 * window each. From four times the limit on, the tenant that holds most loses its slowest readers,
 * until there is room again: many connections whose readers stop at once do not take the memory of
 * all others.
 *
 * <p>Written and read by any thread; an {@link Account} is confined to its connection's event loop.
 */
public final class HeldBytes {
  /** Changes smaller than this stay in the account, to spare the shared counter. */
  private static final int STEP_BYTES = 64 * 1024;

  /** How many times what is left a part may hold. */
  private static final int PART_OF_REST = 2;

  /** A part that has no more than this of the limit is never who holds too much. */
  private static final int PARTS_OF_LIMIT = 128;

  /** How many times the limit is held before slow readers have to go. */
  private static final int FULL_TIMES_LIMIT = 4;

  private final long limitBytes;

  /** What this is a part of; null: of nothing. */
  private final @Nullable HeldBytes whole;

  private final AtomicLong total = new AtomicLong();

  /** What has no tunnel any more, of all parts together. */
  private final AtomicLong lingering;

  /** Those that hold something, of all parts together. */
  private final Set<Account> accounts;

  /** Whether somebody lets go of what it holds; of the whole. */
  private final AtomicBoolean shedding = new AtomicBoolean();

  private final Queue<Account> waiting = new ConcurrentLinkedQueue<>();

  /** Parts in which somebody waits. */
  private final Set<HeldBytes> waitingParts = ConcurrentHashMap.newKeySet();

  public HeldBytes(long limitBytes) {
    this(limitBytes, null);
    if (limitBytes < 1) {
      throw new IllegalArgumentException("limitBytes: " + limitBytes + " (expected: >= 1)");
    }
  }

  private HeldBytes(long limitBytes, @Nullable HeldBytes whole) {
    this.limitBytes = limitBytes;
    this.whole = whole;
    this.lingering = whole == null ? new AtomicLong() : whole.lingering;
    this.accounts = whole == null ? ConcurrentHashMap.newKeySet() : whole.accounts;
  }

  /** The part of one tenant, whose readers do not make those of others wait. */
  public HeldBytes part() {
    return new HeldBytes(limitBytes, this);
  }

  /** Bytes held now, in steps of 64 KiB for each connection. */
  public long total() {
    return total.get();
  }

  /**
   * Counts bytes whose tunnel is over, until {@link #lingered}: nobody waits with sending more for
   * these, so there may not be more of them than the limit.
   *
   * @return false if there would be; then nothing is counted
   */
  public boolean tryLinger(long bytes) {
    long before = lingering.getAndUpdate(now -> now + bytes <= limitBytes ? now + bytes : now);
    if (before + bytes > limitBytes) {
      return false;
    }
    change(bytes);
    return true;
  }

  /** Whether more than half of what may linger does: who takes nothing is in the way of others. */
  public boolean isLingeringScarce() {
    return lingering.get() > limitBytes / 2;
  }

  /** The bytes have found their way out, or were dropped. */
  public void lingered(long bytes) {
    lingering.addAndGet(-bytes);
    change(-bytes);
  }

  /** Whether so much is held that slow readers have to go. */
  boolean isFull() {
    return whole == null ? total.get() > FULL_TIMES_LIMIT * limitBytes : whole.isFull();
  }

  boolean isExceeded() {
    return whole == null
        ? total.get() > limitBytes
        : total.get()
            > Math.max(
                whole.limitBytes / PARTS_OF_LIMIT,
                PART_OF_REST * (whole.limitBytes - whole.total.get()));
  }

  /**
   * A connection's part.
   *
   * @param onRelief run on the loop when the budget is below its limit again, after {@link
   *     Account#awaitRelief}
   * @param onFull run on the loop to let go of what slow readers hold, while it {@link #isFull}
   */
  Account open(Executor loop, Runnable onRelief, Runnable onFull) {
    return new Account(loop, onRelief, onFull);
  }

  private void change(long bytes) {
    total.addAndGet(bytes);
    if (whole != null) {
      whole.change(bytes);
    } else if (bytes < 0) {
      relieve();
      waitingParts.forEach(HeldBytes::relieve);
    } else {
      shed();
    }
  }

  /** Has who holds most let go of it, one connection after the other. */
  private void shed() {
    if (!isFull() || !shedding.compareAndSet(false, true)) {
      return;
    }
    Account most = accounts.stream().max(Account.BY_TENANT_THEN_OWN).orElse(null);
    if (most == null) {
      shedding.set(false);
      return;
    }
    most.loop.execute(
        () -> {
          long before = most.reported;
          try {
            most.onFull.run();
          } finally {
            shedding.set(false);
          }
          if (most.reported < before) {
            shed(); // the next one
          }
        });
  }

  private void relieve() {
    if (isExceeded()) {
      return;
    }
    if (whole != null) {
      whole.waitingParts.remove(this); // first: who comes now puts it in again
    }
    for (Account account = waiting.poll(); account != null; account = waiting.poll()) {
      account.loop.execute(account::relieved);
    }
  }

  /** What one connection holds. */
  final class Account {
    private static final Comparator<Account> BY_TENANT_THEN_OWN =
        Comparator.<Account>comparingLong(account -> account.tenant().total())
            .thenComparingLong(account -> account.reported);

    private final Executor loop;
    private final Runnable onRelief;
    private final Runnable onFull;
    private long held;

    /** Of these, what others know of; read by any thread. */
    private volatile long reported;

    private boolean awaiting;
    private boolean closed;

    private Account(Executor loop, Runnable onRelief, Runnable onFull) {
      this.loop = loop;
      this.onRelief = onRelief;
      this.onFull = onFull;
    }

    private HeldBytes tenant() {
      return HeldBytes.this;
    }

    void add(int bytes) {
      held += bytes;
      report();
    }

    void remove(int bytes) {
      if (!closed) {
        held -= bytes;
        report();
      }
    }

    boolean isExceeded() {
      return HeldBytes.this.isExceeded();
    }

    boolean isFull() {
      return HeldBytes.this.isFull();
    }

    /** Asks to be told when the budget is below its limit. */
    void awaitRelief() {
      if (awaiting || closed) {
        return;
      }
      awaiting = true;
      waiting.add(this);
      if (whole != null) {
        whole.waitingParts.add(HeldBytes.this);
      }
      // The last release may have come between the look at the total and the queue.
      if (!isExceeded() && waiting.remove(this)) {
        loop.execute(this::relieved);
      }
    }

    /** Gives everything back. */
    void close() {
      closed = true;
      held = 0;
      waiting.remove(this);
      report();
    }

    private void relieved() {
      awaiting = false;
      if (!closed) {
        onRelief.run();
      }
    }

    private void report() {
      long change = held - reported;
      if (Math.abs(change) >= STEP_BYTES || (held == 0 && change != 0)) {
        if (reported == 0) {
          accounts.add(this);
        } else if (held == 0) {
          accounts.remove(this);
        }
        reported = held;
        change(change);
      }
    }
  }
}
