package io.ztunnel.app;

import io.netty.util.NetUtil;
import java.io.IOException;
import java.net.InetAddress;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The system's resolver as {@code /etc/resolv.conf} describes it (resolv.conf(5)). Immutable.
 *
 * @param domain the local domain, or empty
 * @param ndots dots a name must have to be tried as it is first
 */
record ResolverConfig(
    String domain,
    List<String> search,
    List<InetAddress> nameservers,
    int ndots,
    Duration timeout,
    int attempts,
    boolean edns0) {
  static final Path FILE = Path.of("/etc/resolv.conf");

  // What the C library asks when no server is named.
  private static final InetAddress LOOPBACK = NetUtil.LOCALHOST4;

  ResolverConfig {
    search = List.copyOf(search);
    nameservers = List.copyOf(nameservers);
    if (nameservers.isEmpty()) {
      throw new IllegalArgumentException("nameserver: none (expected: at least one)");
    }
  }

  /** The file's content; without one, or without a server in it, the resolver on loopback. */
  static ResolverConfig load(Host host) {
    try {
      return parse(host.read(FILE));
    } catch (NoSuchFileException _) {
      return parse("");
    } catch (IOException | IllegalArgumentException e) {
      throw ConfigException.state(FILE + ": " + e.getMessage());
    }
  }

  static ResolverConfig parse(String text) {
    String domain = "";
    List<String> search = List.of();
    var nameservers = new ArrayList<InetAddress>();
    int ndots = 1;
    int seconds = 5;
    int attempts = 2;
    boolean edns0 = false;
    for (String line : text.lines().toList()) {
      List<String> words = List.of(line.replaceFirst("[#;].*", "").trim().split("\\s+"));
      List<String> values = words.subList(1, words.size());
      switch (words.getFirst()) {
        case "nameserver" -> nameservers.add(address(line, values));
        case "domain" -> domain = values.isEmpty() ? "" : values.getFirst();
        case "search" -> search = values;
        case "options" -> {
          for (String option : values) {
            String[] parts = option.split(":", 2);
            switch (parts[0]) {
              case "ndots" -> ndots = number(option, parts, 15);
              case "timeout" -> seconds = number(option, parts, 30);
              case "attempts" -> attempts = number(option, parts, 5);
              case "edns0" -> edns0 = true;
              default -> {
                // others steer the C library
              }
            }
          }
        }
        default -> {
          // sortlist and what later versions add
        }
      }
    }
    if (nameservers.isEmpty()) {
      nameservers.add(LOOPBACK);
    }
    return new ResolverConfig(
        domain,
        search,
        nameservers,
        ndots,
        Duration.ofSeconds(Math.max(1, seconds)),
        Math.max(1, attempts),
        edns0);
  }

  private static InetAddress address(String line, List<String> values) {
    // A link-local server carries its interface, which names no other address.
    String text = values.isEmpty() ? "" : values.getFirst().replaceFirst("%.*", "");
    @Nullable InetAddress address = NetUtil.createInetAddressFromIpAddressString(text);
    if (address == null) {
      throw new IllegalArgumentException(line.trim() + " (expected: nameserver and an IP address)");
    }
    return address;
  }

  // Values above the library's limit count as the limit.
  private static int number(String option, String[] parts, int max) {
    if (parts.length < 2) {
      throw new IllegalArgumentException(option + " (expected: " + parts[0] + ":number)");
    }
    return (int) Math.min(max, Environment.wholeNumber(parts[1], 0, Integer.MAX_VALUE));
  }
}
