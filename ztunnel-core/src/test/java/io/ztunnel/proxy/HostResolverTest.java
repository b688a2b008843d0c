package io.ztunnel.proxy;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.netty.channel.EventLoop;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.epoll.EpollDatagramChannel;
import io.netty.resolver.dns.NoopDnsCache;
import io.netty.resolver.dns.SingletonDnsServerAddressStreamProvider;
import io.netty.util.concurrent.Future;
import io.ztunnel.Await;
import io.ztunnel.dns.FakeNameServer;
import io.ztunnel.redirection.EventLoops;
import io.ztunnel.redirection.Transport;
import java.io.IOException;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** Names whose answers are never in the cache, as if their time to live was always up. */
class HostResolverTest {
  /** Whole: it is not looked for in the search domains of this machine. */
  private static final String NAME = "gateway.example.com.";

  private static final List<InetAddress> FIRST = List.of(InetAddress.ofLiteral("10.0.0.1"));
  private static final List<InetAddress> SECOND = List.of(InetAddress.ofLiteral("10.0.0.2"));

  /** What name servers do. */
  enum Name {
    FAILS,
    IS_NOT_ANSWERED,
    IS_EMPTY,
    IS_UNKNOWN
  }

  private final AtomicLong nanos = new AtomicLong(Long.MAX_VALUE - 5);
  private final EventLoopGroup loops = new EventLoops(Transport.EPOLL, 1);
  private final EventLoop loop = loops.next();
  private FakeNameServer server;
  private HostResolver resolver;

  @BeforeEach
  void start() throws IOException {
    server = new FakeNameServer();
    resolver =
        new HostResolver(
            EpollDatagramChannel.class,
            false,
            new SearchList(List.of("west.example", "east.example"), 2),
            nanos::get,
            new SingletonDnsServerAddressStreamProvider(server.address()),
            NoopDnsCache.INSTANCE);
    server.on(NAME, "10.0.0.1", 60);
  }

  @AfterEach
  void stop() throws IOException {
    resolver.close();
    server.close();
    loops.shutdownGracefully(0, 5, TimeUnit.SECONDS).awaitUninterruptibly(10_000);
  }

  private Future<List<InetAddress>> resolve() {
    return resolve(NAME);
  }

  private Future<List<InetAddress>> resolve(String name) {
    Future<List<InetAddress>> answer =
        loop.submit(() -> resolver.resolve(loop, name)).syncUninterruptibly().getNow();
    assertTrue(answer.awaitUninterruptibly(10, TimeUnit.SECONDS), "neither answer nor failure");
    return answer;
  }

  private void nowTheName(Name does) {
    switch (does) {
      case FAILS -> server.onFailure(NAME);
      case IS_NOT_ANSWERED -> server.onSilence(NAME);
      case IS_EMPTY -> server.onNothing(NAME);
      case IS_UNKNOWN -> server.onUnknown(NAME);
    }
  }

  @Test
  void anAnswerTakesThePlaceOfTheLastOne() {
    assertEquals(FIRST, resolve().getNow());
    server.on(NAME, "10.0.0.2", 60);
    assertEquals(SECOND, resolve().getNow());
  }

  /** Who does not see the question cannot send an answer to it (RFC 5452, 9.2). */
  @Test
  void eachQuestionComesFromAPortOfItsOwn() {
    for (int i = 0; i < 8; i++) {
      assertEquals(FIRST, resolve().getNow());
    }
    List<Integer> ports = server.ports();
    assertEquals(8, ports.size());
    assertTrue(Set.copyOf(ports).size() > 1, ports.toString());
  }

  @ParameterizedTest
  @EnumSource(names = {"FAILS", "IS_NOT_ANSWERED"})
  void theLastAddressesAreUsedUntilThereIsAnAnswerAgain(Name trouble) {
    assertEquals(FIRST, resolve().getNow());
    nowTheName(trouble);
    assertEquals(FIRST, resolve().getNow());
    int asked = server.questions().size();
    assertEquals(FIRST, resolve().getNow());
    assertEquals(asked, server.questions().size(), "not asked again at once");

    server.on(NAME, "10.0.0.2", 60);
    nanos.addAndGet(LastAnswers.PAUSE_NANOS);
    assertEquals(SECOND, resolve().getNow());
  }

  @ParameterizedTest
  @EnumSource(names = {"IS_EMPTY", "IS_UNKNOWN"})
  void aNameThatIsDeniedHasNoAddressAnyMore(Name denial) {
    assertEquals(FIRST, resolve().getNow());
    nowTheName(denial);
    assertInstanceOf(UnknownHostException.class, resolve().cause());
    nowTheName(Name.FAILS);
    assertInstanceOf(UnknownHostException.class, resolve().cause());
  }

  @ParameterizedTest
  @CsvSource({"gateway.example.com, gateway.example.com.", "gateway, gateway.west.example."})
  void aNameIsNotDeniedIfNameServersFailAtSomethingThatItMayBeShortFor(String name, String whole) {
    server.on(whole, "10.0.0.1", 60);
    assertEquals(FIRST, resolve(name).getNow());
    server.onFailure(whole); // and all else that it may be short for does not exist
    assertEquals(FIRST, resolve(name).getNow());

    nanos.addAndGet(LastAnswers.PAUSE_NANOS);
    server.onUnknown(whole);
    assertInstanceOf(UnknownHostException.class, resolve(name).cause());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          gateway         | gateway.west.example gateway.east.example gateway
          gateway.a       | gateway.a.west.example gateway.a.east.example gateway.a
          gateway.a.com   | gateway.a.com gateway.a.com.west.example gateway.a.com.east.example
          gateway.a.com.  | gateway.a.com.
          """)
  void namesWithEnoughDotsAreTriedAsTheyAreFirst(String name, String tried) {
    SearchList list = new SearchList(List.of("west.example", "east.example"), 2);
    assertEquals(List.of(tried.split(" ")), list.names(name));
  }

  @ParameterizedTest(name = "{0}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          gateway         | gateway.west.example gateway gateway.east.example
          gateway.a.com   | gateway.a.com gateway.a.com.west.example gateway.a.com.east.example
          """)
  void theRootAsASearchDomainAddsNothingToAName(String name, String tried) {
    SearchList list = new SearchList(List.of("west.example", ".", "east.example"), 2);
    assertEquals(List.of(tried.split(" ")), list.names(name));
  }

  @Test
  void afterAnHourTheLastAddressesAreForgotten() {
    assertEquals(FIRST, resolve().getNow());
    nowTheName(Name.FAILS);
    nanos.addAndGet(LastAnswers.KEPT_NANOS);
    assertEquals(FIRST, resolve().getNow());
    nanos.addAndGet(LastAnswers.PAUSE_NANOS);
    assertInstanceOf(UnknownHostException.class, resolve().cause());
  }

  @Test
  void nobodyElseWaitsWhileALookupIsUnderWay() {
    assertEquals(FIRST, resolve().getNow());
    nowTheName(Name.IS_NOT_ANSWERED);
    loop.submit(
            () -> {
              Future<List<InetAddress>> waits = resolver.resolve(loop, NAME);
              Future<List<InetAddress>> other = resolver.resolve(loop, NAME);
              assertFalse(waits.isDone());
              assertEquals(FIRST, other.getNow());
            })
        .syncUninterruptibly();
  }

  @Test
  void aNameThatManyWaitForIsAskedForByAFew() {
    List<Future<List<InetAddress>>> all =
        loop.submit(() -> Stream.generate(() -> resolver.resolve(loop, NAME)).limit(1_000).toList())
            .syncUninterruptibly()
            .getNow();
    for (Future<List<InetAddress>> each : all) {
      assertEquals(FIRST, each.syncUninterruptibly().getNow());
    }
    assertEquals(8, server.ports().size());
    assertEquals(FIRST, resolve().getNow());
    assertEquals(9, server.ports().size());
  }

  @Test
  void whoSharesALookupThatHasNoAnswerInItsTimeHasAnotherOne() throws Exception {
    server.onSilence(NAME);
    List<Future<List<InetAddress>>> first =
        loop.submit(() -> Stream.generate(() -> resolver.resolve(loop, NAME)).limit(8).toList())
            .syncUninterruptibly()
            .getNow();
    Future<List<InetAddress>> late =
        loop.submit(() -> resolver.resolve(loop, NAME)).syncUninterruptibly().getNow();
    Await.until("all have asked", () -> server.ports().size() == 8);
    server.on(NAME, "10.0.0.1", 60);
    assertEquals(FIRST, late.syncUninterruptibly().getNow());
    assertTrue(first.stream().noneMatch(Future::isSuccess), "they had asked before");
  }

  @Test
  void theNamesThatAreRememberedAreBounded() {
    LastAnswers answers = new LastAnswers(nanos::get);
    for (int i = 0; i <= LastAnswers.CAPACITY; i++) {
      answers.onAnswer("name-" + i, FIRST);
    }
    long known = 0;
    for (int i = 0; i <= LastAnswers.CAPACITY; i++) {
      known += answers.last("name-" + i) == null ? 0 : 1;
    }
    assertEquals(LastAnswers.CAPACITY, known);
    assertEquals(FIRST, answers.last("name-" + LastAnswers.CAPACITY));
  }
}
