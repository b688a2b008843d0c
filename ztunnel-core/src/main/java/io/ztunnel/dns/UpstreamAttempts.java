package io.ztunnel.dns;

import io.netty.channel.EventLoop;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.Promise;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * One question to the name servers: two at a time, the first conclusive answer wins; the next two
 * if there is none, and all of them again as often as is configured, unless they answered that they
 * would not. Confined to its event loop.
 */
final class UpstreamAttempts {
  static final int AT_A_TIME = 2;

  private final EventLoop loop;
  private final List<InetSocketAddress> servers;
  private final int attempts;
  private final Function<InetSocketAddress, Future<UpstreamMessage>> exchange;
  private final Promise<UpstreamMessage> result;
  private final List<Future<UpstreamMessage>> running = new ArrayList<>();
  private int attempt = 1;
  private int next;
  private @Nullable UpstreamMessage trouble;
  private String lastFailure = "";

  /**
   * @param exchange asks one server; its future completes on the loop
   */
  UpstreamAttempts(
      EventLoop loop,
      List<InetSocketAddress> servers,
      int attempts,
      Function<InetSocketAddress, Future<UpstreamMessage>> exchange) {
    this.loop = loop;
    this.servers = servers;
    this.attempts = attempts;
    this.exchange = exchange;
    this.result = loop.newPromise();
  }

  /** The best answer; fails if none of the servers gave any. Cancelling it ends the asking. */
  Future<UpstreamMessage> start() {
    assert loop.inEventLoop();
    result.addListener(_ -> stop());
    askNext();
    return result;
  }

  private void askNext() {
    if (next >= servers.size()) {
      if (trouble != null) {
        result.trySuccess(trouble);
        return;
      }
      if (attempt == attempts) {
        result.tryFailure(new IOException(lastFailure));
        return;
      }
      attempt++;
      next = 0;
    }
    int end = Math.min(next + AT_A_TIME, servers.size());
    List<Future<UpstreamMessage>> asked = new ArrayList<>();
    for (InetSocketAddress server : servers.subList(next, end)) {
      asked.add(exchange.apply(server));
    }
    next = end;
    running.addAll(asked); // all of them, before the first can say that it was the last
    asked.forEach(one -> one.addListener((Future<UpstreamMessage> ended) -> onEnd(ended)));
  }

  private void onEnd(Future<UpstreamMessage> ended) {
    assert loop.inEventLoop();
    running.remove(ended);
    if (result.isDone()) {
      return;
    }
    if (!ended.isSuccess()) {
      lastFailure = String.valueOf(ended.cause().getMessage());
    } else if (ended.getNow().isConclusive()) {
      result.trySuccess(ended.getNow());
      return;
    } else {
      trouble = ended.getNow();
    }
    if (running.isEmpty()) {
      askNext();
    }
  }

  private void stop() {
    List.copyOf(running).forEach(one -> one.cancel(false));
  }
}
