package io.ztunnel.redirection;

import io.netty.channel.Channel;
import io.netty.channel.ChannelException;
import io.netty.channel.ChannelOption;
import io.netty.channel.unix.IntegerUnixChannelOption;
import java.io.IOException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Saves the connections that a listener has not accepted yet when it closes, or when its process is
 * killed. Stateless; callable from any thread.
 *
 * <p>Of the listeners that share a port (SO_REUSEPORT) the kernel gives each new connection to one,
 * at its SYN. When that one closes, what is in its queue is reset, though others listen on; unless
 * a program that is attached to them lets it move to another one (Linux 5.14;
 * BPF_SK_REUSEPORT_SELECT_OR_MIGRATE). Ours leaves every choice to the kernel. The first listener
 * that has it serves all who share the port, those of other processes included. The setting {@code
 * net.ipv4.tcp_migrate_req} of the network namespace would do the same, but it is the pod's own and
 * not ours to change.
 */
final class QueueMigration {
  private static final Logger LOG = LoggerFactory.getLogger("ztunnel::socket");

  private static final ChannelOption<Integer> ATTACH_REUSEPORT_EBPF =
      new IntegerUnixChannelOption("SO_ATTACH_REUSEPORT_EBPF", Libc.SOL_SOCKET, 52);

  private QueueMigration() {}

  /** The program of the process: loaded when the first listener asks, and kept. */
  private static final class Program {
    static final @Nullable Integer DESCRIPTOR = load();

    private static @Nullable Integer load() {
      try {
        return Libc.loadQueueMigration();
      } catch (IOException e) {
        LOG.warn(
            "a listener that closes will lose the connections that it has not accepted: {} (expected: Linux 5.14 and CAP_BPF or CAP_SYS_ADMIN)",
            e.getMessage());
        return null;
      }
    }
  }

  /** For a listener that is bound, shares its port, and has the kernel's options. */
  static void enable(Channel listener) {
    Integer program = Program.DESCRIPTOR;
    if (program == null) {
      return;
    }
    try {
      boolean _ = listener.config().setOption(ATTACH_REUSEPORT_EBPF, program);
    } catch (ChannelException e) {
      LOG.warn("{} will lose its queue when it closes: {}", listener, IoFailure.reason(e));
    }
  }
}
