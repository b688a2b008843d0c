package io.ztunnel.dns;

import io.netty.channel.EventLoop;
import io.netty.util.concurrent.Future;
import io.ztunnel.mesh.Workload;

/** The workload whose questions a server answers. */
@FunctionalInterface
public interface LocalClient {
  /** Its record in the mesh as it is now, awaited in bounded time. Completes on the loop. */
  Future<Workload> await(EventLoop loop);
}
