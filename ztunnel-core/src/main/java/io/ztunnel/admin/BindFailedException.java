package io.ztunnel.admin;

import io.netty.util.NetUtil;
import java.io.IOException;
import java.net.InetSocketAddress;

/** A server's address could not be bound. */
public final class BindFailedException extends IOException {
  private static final long serialVersionUID = 1;

  BindFailedException(String component, InetSocketAddress address, String reason) {
    super(
        component
            + ": failed to bind to address "
            + NetUtil.toSocketAddressString(address)
            + ": "
            + reason);
  }
}
