package io.ztunnel.dns;

import io.netty.channel.EventLoop;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.Promise;
import io.netty.util.concurrent.ScheduledFuture;
import io.ztunnel.redirection.SocketFactory;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/**
 * Asks name servers from inside a pod's network namespace, and remembers what they say. Confined to
 * its event loop.
 *
 * <p>Bounded: equal questions at one time are one, others are refused above a number; each has a
 * deadline whatever the servers do.
 */
final class Forwarder {
  static final int MAX_QUESTIONS = 256;
  private static final int CACHE_ENTRIES = 8192;
  private static final int CACHE_BYTES = 2 << 20;
  private static final Duration SWEEP_PERIOD = Duration.ofMinutes(1);
  private static final int MAX_ALIASES = 8;
  private static final long MAX_TTL_SECONDS = 86_400;

  /** For absences (RFC 2308, 5). */
  private static final long MAX_NEGATIVE_TTL_SECONDS = 3 * 3600;

  private static final Duration MAX_DEADLINE = Duration.ofSeconds(30);

  private final EventLoop loop;
  private final SocketFactory sockets;
  private final ResolverSettings settings;
  private final RandomGenerator random;
  private final AnswerCache cache;
  private final Map<Question, Promise<ForwardedAnswer>> running = new HashMap<>();
  private @Nullable ScheduledFuture<?> sweeping;
  private boolean closed;

  Forwarder(
      EventLoop loop,
      SocketFactory sockets,
      ResolverSettings settings,
      RandomGenerator random,
      AnswerMemory memory,
      LongSupplier nanoClock) {
    this.loop = loop;
    this.sockets = sockets;
    this.settings = settings;
    this.random = random;
    this.cache = new AnswerCache(CACHE_ENTRIES, CACHE_BYTES, memory, nanoClock);
  }

  /**
   * The answer, which may be an error of the servers; fails if there is none.
   *
   * @param question in lower case
   */
  Future<ForwardedAnswer> forward(Question question) {
    assert loop.inEventLoop();
    ForwardedAnswer known = SpecialNames.answer(question);
    if (known == null) {
      known = cache.get(question);
    }
    if (known != null) {
      return loop.newSucceededFuture(known);
    }
    Promise<ForwardedAnswer> same = running.get(question);
    if (same != null) {
      return same;
    }
    if (closed || running.size() >= MAX_QUESTIONS) {
      return loop.newFailedFuture(
          new IOException(
              closed
                  ? "the DNS server has ended"
                  : "%d questions are being forwarded (expected: fewer)".formatted(MAX_QUESTIONS)));
    }
    Promise<ForwardedAnswer> promise = loop.newPromise();
    running.put(question, promise);
    promise.addListener(_ -> running.remove(question, promise));
    new Chase(question, promise).start();
    return promise;
  }

  /** How long a question may take, all servers silent. */
  Duration deadline() {
    int groups =
        (settings.servers().size() + UpstreamAttempts.AT_A_TIME - 1) / UpstreamAttempts.AT_A_TIME;
    Duration all = settings.timeout().multipliedBy((long) groups * settings.attempts());
    return all.compareTo(MAX_DEADLINE) < 0 ? all : MAX_DEADLINE;
  }

  private void remember(Question question, ForwardedAnswer answer, long ttlSeconds) {
    if (closed) {
      return;
    }
    cache.put(question, answer, ttlSeconds);
    sweepLater();
  }

  private void sweepLater() {
    if (sweeping == null && cache.size() > 0) {
      sweeping =
          loop.schedule(
              () -> {
                sweeping = null;
                cache.sweep();
                sweepLater();
              },
              SWEEP_PERIOD.toNanos(),
              TimeUnit.NANOSECONDS);
    }
  }

  /** Fails what is running, and what comes. */
  void close() {
    assert loop.inEventLoop();
    closed = true;
    cache.clear();
    if (sweeping != null) {
      sweeping.cancel(false);
    }
    List.copyOf(running.values())
        .forEach(promise -> promise.tryFailure(new IOException("the DNS server has ended")));
  }

  /** One question, along the aliases that no server followed. Confined to the loop. */
  private final class Chase {
    private final Question asked;
    private final Promise<ForwardedAnswer> promise;
    private final List<ResourceRecord> collected = new ArrayList<>();
    private Question current;
    private int aliases;
    private @Nullable Future<UpstreamMessage> asking;

    Chase(Question asked, Promise<ForwardedAnswer> promise) {
      this.asked = asked;
      this.promise = promise;
      this.current = asked;
    }

    void start() {
      Duration limit = deadline();
      ScheduledFuture<?> timer =
          loop.schedule(
              () ->
                  promise.tryFailure(
                      new IOException("no answer within " + limit.toMillis() + " ms")),
              limit.toNanos(),
              TimeUnit.NANOSECONDS);
      promise.addListener(
          _ -> {
            timer.cancel(false);
            if (asking != null) {
              asking.cancel(false);
            }
          });
      ask();
    }

    private void ask() {
      Question question = current;
      Future<UpstreamMessage> answer =
          new UpstreamAttempts(
                  loop,
                  settings.servers(),
                  settings.attempts(),
                  server ->
                      new UpstreamExchange(loop, sockets, settings, random, server, question)
                          .start())
              .start();
      asking = answer;
      answer.addListener((Future<UpstreamMessage> ended) -> onAnswer(ended));
    }

    private void onAnswer(Future<UpstreamMessage> ended) {
      assert loop.inEventLoop();
      if (promise.isDone()) {
        return;
      }
      if (!ended.isSuccess()) {
        promise.tryFailure(ended.cause());
        return;
      }
      UpstreamMessage message = ended.getNow();
      AliasChain chain = AliasChain.of(current, message.answers());
      collected.addAll(chain.records());
      boolean open =
          message.code() == ResponseCode.NO_ERROR
              && chain.isOpen()
              && message.startOfAuthority() == null; // which would say that there is nothing more
      if (!open) {
        finish(message, chain);
      } else if (++aliases > MAX_ALIASES) {
        promise.tryFailure(new IOException("more than " + MAX_ALIASES + " aliases"));
      } else {
        current = current.about(chain.end());
        ask();
      }
    }

    private void finish(UpstreamMessage message, AliasChain chain) {
      ForwardedAnswer answer =
          message.code() == ResponseCode.NO_ERROR
              ? new ForwardedAnswer(message.code(), collected, message.additionals())
              : ForwardedAnswer.error(message.code());
      if (message.isConclusive()) {
        remember(asked, answer, ttlSeconds(message, chain));
      }
      promise.trySuccess(answer);
    }

    private long ttlSeconds(UpstreamMessage message, AliasChain chain) {
      ResourceRecord authority = message.startOfAuthority();
      long limit = MAX_TTL_SECONDS;
      if (message.code() != ResponseCode.NO_ERROR || !chain.found()) {
        // Without a start of authority an absence may not be remembered (RFC 2308, 5).
        limit =
            authority == null
                ? 0
                : Math.min(MAX_NEGATIVE_TTL_SECONDS, authority.negativeTtlSeconds());
      }
      for (ResourceRecord record : collected) {
        limit = Math.min(limit, record.ttlSeconds());
      }
      return limit;
    }
  }
}
