package io.ztunnel.redirection;

import io.netty.channel.Channel;
import io.netty.channel.ChannelException;
import io.netty.channel.ChannelOption;
import io.netty.channel.epoll.EpollChannelOption;
import io.netty.channel.socket.nio.NioChannelOption;
import io.netty.channel.unix.Errors;
import io.netty.channel.unix.IntegerUnixChannelOption;
import io.netty.channel.unix.RawUnixChannelOption;
import io.netty.channel.unix.UnixChannel;
import io.netty.channel.unix.UnixChannelOption;
import java.io.IOException;
import java.net.Inet6Address;
import java.net.InetAddress;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import jdk.net.ExtendedSocketOptions;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Socket options in the words of one transport. Immutable; a method is called by whoever owns the
 * channel at that moment: its creator before it is registered, later its event loop.
 */
final class SocketOptions {
  private static final Logger LOG = LoggerFactory.getLogger("ztunnel::socket");

  private static final int SOL_IP = 0;
  private static final int IPPROTO_TCP = 6;
  private static final int SOL_IPV6 = 41;

  /** The proxy's packets, to Istio's rules in a pod: this in these bits. */
  private static final int PROXY_MARK = 0x539;

  private static final int MARK_BITS = 0xfff;

  /** What those rules make of the mark of a packet whose connection is to return to the proxy. */
  private static final int RESTORED_MARK = 0x111;

  private static final ChannelOption<Integer> MARK =
      new IntegerUnixChannelOption("SO_MARK", Libc.SOL_SOCKET, Libc.SO_MARK);
  private static final ChannelOption<Integer> ERROR =
      new IntegerUnixChannelOption("SO_ERROR", Libc.SOL_SOCKET, 4);
  private static final ChannelOption<Integer> TRANSPARENT =
      new IntegerUnixChannelOption("IP_TRANSPARENT", SOL_IP, 19);
  private static final ChannelOption<Integer> FREEBIND =
      new IntegerUnixChannelOption("IP_FREEBIND", SOL_IP, 15);
  private static final ChannelOption<Integer> BIND_ADDRESS_NO_PORT =
      new IntegerUnixChannelOption("IP_BIND_ADDRESS_NO_PORT", SOL_IP, 24);
  private static final ChannelOption<Integer> TRANSPARENT_V6 =
      new IntegerUnixChannelOption("IPV6_TRANSPARENT", SOL_IPV6, 75);
  private static final ChannelOption<Integer> FREEBIND_V6 =
      new IntegerUnixChannelOption("IPV6_FREEBIND", SOL_IPV6, 78);
  private static final ChannelOption<Integer> NO_DELAY =
      new IntegerUnixChannelOption("TCP_NODELAY", IPPROTO_TCP, 1);
  private static final ChannelOption<Integer> KEEPALIVE =
      new IntegerUnixChannelOption("SO_KEEPALIVE", Libc.SOL_SOCKET, 9);
  private static final ChannelOption<Integer> KEEPALIVE_TIME =
      new IntegerUnixChannelOption("TCP_KEEPIDLE", IPPROTO_TCP, 4);
  private static final ChannelOption<Integer> KEEPALIVE_INTERVAL =
      new IntegerUnixChannelOption("TCP_KEEPINTVL", IPPROTO_TCP, 5);
  private static final ChannelOption<Integer> KEEPALIVE_RETRIES =
      new IntegerUnixChannelOption("TCP_KEEPCNT", IPPROTO_TCP, 6);
  private static final ChannelOption<Integer> USER_TIMEOUT =
      new IntegerUnixChannelOption("TCP_USER_TIMEOUT", IPPROTO_TCP, 18);

  // Where things are in struct tcp_info.

  /** {@code tcpi_state}, and what it is while our FIN is not acknowledged. */
  private static final int STATE_AT = 0;

  private static final byte FIN_WAIT_1 = 4;

  /** {@code tcpi_retransmits}, one byte. */
  private static final int SENT_AGAIN_AT = 2;

  /** {@code tcpi_probes}, one byte. */
  private static final int PROBES_AT = 3;

  /** {@code tcpi_last_ack_recv}, four bytes: milliseconds since then. */
  private static final int LAST_ACKNOWLEDGEMENT_AT = 56;

  /** {@code tcpi_bytes_acked} is the last that is of interest. */
  private static final int ACKNOWLEDGED_AT = 120;

  private static final ChannelOption<ByteBuffer> INFO =
      new RawUnixChannelOption("TCP_INFO", IPPROTO_TCP, 11, ACKNOWLEDGED_AT + Long.BYTES);

  private static final ChannelOption<Integer> NIO_KEEPALIVE_TIME =
      NioChannelOption.of(ExtendedSocketOptions.TCP_KEEPIDLE);
  private static final ChannelOption<Integer> NIO_KEEPALIVE_INTERVAL =
      NioChannelOption.of(ExtendedSocketOptions.TCP_KEEPINTERVAL);
  private static final ChannelOption<Integer> NIO_KEEPALIVE_RETRIES =
      NioChannelOption.of(ExtendedSocketOptions.TCP_KEEPCOUNT);
  private static final ChannelOption<Boolean> NIO_REUSE_PORT =
      NioChannelOption.of(StandardSocketOptions.SO_REUSEPORT);

  private final Transport transport;
  private final SocketSettings settings;

  SocketOptions(Transport transport, SocketSettings settings) {
    for (OptionalInt mark : List.of(settings.mark(), settings.listenerMark())) {
      if (!transport.hasKernelOptions() && mark.isPresent()) {
        throw new IllegalArgumentException(
            "%s cannot set the packet mark %d (expected: EPOLL or IO_URING)"
                .formatted(transport, mark.getAsInt()));
      }
    }
    this.transport = transport;
    this.settings = settings;
  }

  /** Sets the packet mark of a connection, if there is one to set. */
  void mark(Channel channel) throws IOException {
    mark(channel, settings.mark());
  }

  /**
   * Gives a connection to an application, once it stands, the mark that the rules of redirection
   * give to each of its packets from the second on: the kernel looks up a route again for every
   * packet whose mark they change. The first one has to have the proxy's.
   */
  void restoredMark(Channel channel) {
    OptionalInt mark = settings.mark();
    if (mark.isPresent() && (mark.getAsInt() & MARK_BITS) == PROXY_MARK) {
      boolean _ = attempt(channel, MARK, RESTORED_MARK); // without, it is slower
    }
  }

  /** Sets the packet mark of a listener, if there is one to set; what it accepts inherits it. */
  void listenerMark(Channel listener) throws IOException {
    mark(listener, settings.listenerMark());
  }

  private static void mark(Channel channel, OptionalInt mark) throws IOException {
    if (mark.isPresent()) {
      require(channel, MARK, mark.getAsInt());
    }
  }

  /**
   * Sets on a listener what the connections it accepts are to have. False if the transport cannot:
   * then {@link #accepted} is for each of them.
   */
  boolean inheritable(Channel listener, boolean keepalive) {
    return transport.hasKernelOptions()
        && attempt(listener, NO_DELAY, 1)
        && (!keepalive || inheritableKeepalive(listener));
  }

  private boolean inheritableKeepalive(Channel listener) {
    SocketSettings.Keepalive wanted = settings.keepalive();
    userTimeout(listener);
    return !wanted.enabled()
        || (attempt(listener, KEEPALIVE, 1)
            && attempt(listener, KEEPALIVE_TIME, seconds(wanted.time()))
            && attempt(listener, KEEPALIVE_INTERVAL, seconds(wanted.interval()))
            && attempt(listener, KEEPALIVE_RETRIES, wanted.retries()));
  }

  /** Sets on an accepted connection what it could not inherit. */
  void accepted(Channel channel, boolean keepalive) {
    boolean _ = attempt(channel, ChannelOption.TCP_NODELAY, true);
    if (keepalive) {
      keepalive(channel);
      userTimeout(channel);
    }
  }

  void reusePort(Channel channel) {
    if (!settings.portReuse()) {
      return;
    }
    ChannelOption<Boolean> option =
        transport.hasKernelOptions() ? UnixChannelOption.SO_REUSEPORT : NIO_REUSE_PORT;
    try {
      require(channel, option, true);
    } catch (IOException e) {
      LOG.warn("listener without port reuse: {}", e.getMessage());
    }
  }

  /** Saves what is in a listener's queue when it closes; for one that is bound. */
  void migrateQueue(Channel listener) {
    if (settings.portReuse() && transport.hasKernelOptions()) {
      QueueMigration.enable(listener);
    }
  }

  /** Makes a listener transparent as far as the settings ask for it. */
  void transparency(Channel channel) throws IOException {
    switch (settings.transparency()) {
      case NEVER -> {}
      case BEST_EFFORT -> {
        boolean _ = attempt(channel, TRANSPARENT, 1);
      }
      case REQUIRED -> require(channel, TRANSPARENT, 1);
    }
  }

  /** Lets a socket bind to a source address that need not be of this machine. */
  void foreignSource(Channel channel, InetAddress source) {
    boolean isIpv6 = source instanceof Inet6Address;
    if (!attempt(channel, isIpv6 ? TRANSPARENT_V6 : TRANSPARENT, 1)) {
      boolean _ = attempt(channel, isIpv6 ? FREEBIND_V6 : FREEBIND, 1); // else the bind will tell
    }
    if (transport.seesPortChosenByConnect()) {
      // Else each connection would hold a port of its source address for itself alone, and a busy
      // client's address would run out of them.
      boolean _ = attempt(channel, BIND_ADDRESS_NO_PORT, 1);
    }
  }

  void keepalive(Channel channel) {
    keepalive(channel, settings.keepalive());
  }

  /**
   * The time comes last: if the connection was idle for so long already, the kernel probes at once,
   * maybe before this returns, and what is told of the time after a probe has to be there by then.
   */
  static void keepalive(Channel channel, SocketSettings.Keepalive keepalive) {
    if (keepalive.enabled()) {
      boolean kernel = channel instanceof UnixChannel;
      boolean _ =
          attempt(
              channel,
              kernel ? KEEPALIVE_INTERVAL : NIO_KEEPALIVE_INTERVAL,
              seconds(keepalive.interval()));
      boolean _ =
          attempt(channel, kernel ? KEEPALIVE_RETRIES : NIO_KEEPALIVE_RETRIES, keepalive.retries());
      boolean _ = attempt(channel, ChannelOption.SO_KEEPALIVE, true);
      boolean _ =
          attempt(channel, kernel ? KEEPALIVE_TIME : NIO_KEEPALIVE_TIME, seconds(keepalive.time()));
    }
  }

  /** As {@link #keepalive}; a timeout that is longer goes, as the kernel would wait for it. */
  static void probe(Channel channel, SocketSettings.Keepalive keepalive) {
    keepalive(channel, keepalive);
    if (userTimeoutMillis(channel) > keepalive.untilGivenUp().toMillis()) {
      boolean _ = attempt(channel, USER_TIMEOUT, 0);
    }
  }

  private static int userTimeoutMillis(Channel channel) {
    return look(channel, USER_TIMEOUT).orElse(0);
  }

  static void cork(Channel channel) {
    boolean _ = attempt(channel, EpollChannelOption.TCP_CORK, true);
  }

  static @Nullable IOException takeError(Channel channel) {
    try {
      Integer errno = channel.config().getOption(ERROR);
      return errno == null || errno == 0
          ? null // null: a transport that has no such option
          : new Errors.NativeIoException("connection", -errno);
    } catch (ChannelException e) {
      return new IOException(IoFailure.reason(e), e); // closed meanwhile
    }
  }

  static long acknowledgedBytes(Channel channel) {
    return info(channel).map(info -> info.getLong(ACKNOWLEDGED_AT)).orElse(0L);
  }

  static boolean isEndAcknowledged(Channel channel) {
    return info(channel).map(info -> info.get(STATE_AT) != FIN_WAIT_1).orElse(true);
  }

  static Unanswered unanswered(Channel channel) {
    return info(channel)
        .map(
            info ->
                new Unanswered(
                    Math.max(
                        Byte.toUnsignedInt(info.get(SENT_AGAIN_AT)),
                        Byte.toUnsignedInt(info.get(PROBES_AT))),
                    Duration.ofMillis(
                        Integer.toUnsignedLong(info.getInt(LAST_ACKNOWLEDGEMENT_AT)))))
        .orElse(Unanswered.NOTHING);
  }

  private static Optional<ByteBuffer> info(Channel channel) {
    return look(channel, INFO).map(info -> info.order(ByteOrder.nativeOrder()));
  }

  void userTimeout(Channel channel) {
    if (settings.userTimeout()) {
      long millis = settings.keepalive().untilGivenUp().toMillis();
      boolean _ = attempt(channel, USER_TIMEOUT, (int) Math.min(millis, Integer.MAX_VALUE));
    }
  }

  static boolean isTransparent(Channel channel) {
    return look(channel, TRANSPARENT).orElse(0) != 0;
  }

  /** What an option is; empty for a transport that has no such option, and for a closed channel. */
  private static <T> Optional<T> look(Channel channel, ChannelOption<T> option) {
    try {
      return Optional.ofNullable(channel.config().getOption(option));
    } catch (ChannelException e) {
      LOG.debug("{} counts as without {}: {}", channel, option, e.getMessage());
      return Optional.empty();
    }
  }

  private static int seconds(Duration duration) {
    return Math.clamp(duration.toSeconds(), 1, Integer.MAX_VALUE);
  }

  private static <T> boolean attempt(Channel channel, ChannelOption<T> option, T value) {
    try {
      require(channel, option, value);
      return true;
    } catch (IOException e) {
      LOG.debug("{} goes without: {}", channel, e.getMessage());
      return false;
    }
  }

  private static <T> void require(Channel channel, ChannelOption<T> option, T value)
      throws IOException {
    boolean known;
    try {
      known = channel.config().setOption(option, value);
    } catch (ChannelException | IllegalArgumentException e) {
      throw new IOException(
          "cannot set %s to %s: %s".formatted(option, value, IoFailure.reason(e)), e);
    }
    if (!known) {
      throw new IOException(
          "cannot set %s to %s: %s does not know it"
              .formatted(option, value, channel.getClass().getSimpleName()));
    }
  }
}
