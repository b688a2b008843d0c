package io.ztunnel.app;

import io.netty.util.concurrent.EventExecutor;
import io.ztunnel.log.Log;
import io.ztunnel.log.LogLevel;
import io.ztunnel.mesh.Authorization;
import io.ztunnel.mesh.MeshState;
import io.ztunnel.mesh.ResourceDecoder;
import io.ztunnel.telemetry.XdsTelemetry;
import io.ztunnel.xds.Resource;
import io.ztunnel.xds.ResourceBatch;
import io.ztunnel.xds.ResourceException;
import io.ztunnel.xds.ResourceWatcher;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;

/**
 * Brings policies from the control plane into the mesh, under the names that it gives them. Decodes
 * on the {@code xds} thread and applies on the control thread; all of a response at once, so that
 * no connection is judged by half of it.
 */
final class PolicyWatcher implements ResourceWatcher {
  private static final Log LOG = Log.target("ztunnel::xds");

  private final MeshState mesh;
  private final EventExecutor control;
  private final ResourceDecoder decoder = new ResourceDecoder();

  PolicyWatcher(MeshState mesh, EventExecutor control) {
    this.mesh = mesh;
    this.control = control;
  }

  @Override
  public ResourceBatch begin(long stream) {
    return new Batch(stream);
  }

  /** The changes of one response. Confined to the xds thread until it is applied. */
  private final class Batch implements ResourceBatch {
    private final long stream;
    private final Map<String, Authorization> policies = new LinkedHashMap<>();
    private final List<String> removed = new ArrayList<>();

    Batch(long stream) {
      this.stream = stream;
    }

    @Override
    public void put(Resource resource) throws ResourceException {
      try {
        Authorization policy = decoder.authorization(resource.payload());
        policies.put(resource.name(), policy);
        log("handling RBAC update " + policy.name());
      } catch (io.ztunnel.mesh.ResourceException e) {
        throw new ResourceException(String.valueOf(e.getMessage()), e);
      }
    }

    private void log(String what) {
      LOG.at(LogLevel.INFO, XdsTelemetry.span(stream), Log.oneLine(what)).log();
    }

    @Override
    public void remove(String name) {
      removed.add(name);
      log("handling RBAC delete " + name);
    }

    @Override
    public CompletionStage<Void> apply() {
      return CompletableFuture.runAsync(
          () ->
              mesh.update(
                  update -> {
                    policies.forEach(update::insertPolicy);
                    removed.forEach(update::removePolicy);
                  }),
          control);
    }
  }
}
