package io.ztunnel.dns;

import io.netty.util.NetUtil;
import java.net.InetAddress;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** Names that no name server is asked for (RFC 6761, RFC 7686). Pure. */
final class SpecialNames {
  private static final long TTL_SECONDS = 86_400;
  private static final DomainName LOCALHOST = name("localhost");
  private static final DomainName LOOPBACK_REVERSE = name("127.in-addr.arpa");
  private static final DomainName INVALID = name("invalid");
  private static final DomainName ONION = name("onion");

  private SpecialNames() {}

  private static DomainName name(String text) {
    return Objects.requireNonNull(DomainName.parse(text));
  }

  /**
   * The answer; null for an ordinary name.
   *
   * @param question in lower case
   */
  static @Nullable ForwardedAnswer answer(Question question) {
    DomainName name = question.name();
    if (name.isWithin(INVALID) || name.isWithin(ONION)) {
      return ForwardedAnswer.error(ResponseCode.NAME_ERROR);
    }
    if (name.isWithin(LOCALHOST)) {
      return switch (question.type()) {
        case RecordType.A -> address(name, NetUtil.LOCALHOST4);
        case RecordType.AAAA -> address(name, NetUtil.LOCALHOST6);
        default -> ForwardedAnswer.error(ResponseCode.NO_ERROR);
      };
    }
    if (name.isWithin(LOOPBACK_REVERSE)) {
      return question.type() == RecordType.PTR
          ? records(ResourceRecord.pointing(name, RecordType.PTR, LOCALHOST, TTL_SECONDS))
          : ForwardedAnswer.error(ResponseCode.NO_ERROR);
    }
    return null;
  }

  private static ForwardedAnswer address(DomainName name, InetAddress address) {
    return records(ResourceRecord.address(name, address, TTL_SECONDS));
  }

  private static ForwardedAnswer records(ResourceRecord record) {
    return new ForwardedAnswer(ResponseCode.NO_ERROR, List.of(record), List.of());
  }
}
