package io.ztunnel.xds;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import io.netty.buffer.Unpooled;
import io.ztunnel.xds.proto.DeltaDiscoveryRequest;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Executor;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import java.util.function.LongSupplier;

/** What is known of one subscribed type. Confined to the {@code xds} thread; outlives streams. */
final class TypeState {
  private static final String ALL = "*";

  private final Subscription subscription;
  private final HeldResources held = new HeldResources();
  private final Demands demands;
  private final Unneeded unneeded;

  /** Done when the last batch is in effect, or cannot be. */
  private CompletableFuture<Void> applied = CompletableFuture.completedFuture(null);

  /**
   * A type of which nothing is known.
   *
   * @param maxDemanded how many keys are asked for at most
   */
  TypeState(Subscription subscription, int maxDemanded, LongSupplier nanoTime) {
    this.subscription = subscription;
    this.demands = new Demands(nanoTime);
    this.unneeded = new Unneeded(maxDemanded, nanoTime);
  }

  String typeUrl() {
    return subscription.typeUrl();
  }

  boolean isWildcard() {
    return switch (subscription.mode()) {
      case WILDCARD -> true;
      case ON_DEMAND -> false;
    };
  }

  ResourceWatcher watcher() {
    return subscription.watcher();
  }

  HeldResources held() {
    return held;
  }

  Demands demands() {
    return demands;
  }

  Unneeded unneeded() {
    return unneeded;
  }

  /**
   * Puts a batch into effect, behind the one before it: what that one changes, this one may change
   * again.
   *
   * @param thread the {@code xds} thread
   */
  CompletionStage<Void> apply(ResourceBatch batch, Executor thread) {
    applied =
        applied.isDone()
            ? batch.apply().toCompletableFuture()
            : applied.handleAsync((_, _) -> batch.apply(), thread).thenCompose(stage -> stage);
    return applied;
  }

  /**
   * Sends the requests that begin a stream. With more than fits into one, what is left over is
   * found out by what the first response does not name (wildcard), or asked for again (on demand).
   *
   * @param maxBytes limit of the names and versions of a request
   * @param sink takes the requests as they are sent, and releases them
   * @return of how many resources that are held the version was said
   */
  int sendFirst(XdsNode node, long maxBytes, Consumer<ByteBuf> sink) {
    DeltaDiscoveryRequest.Builder first =
        DeltaDiscoveryRequest.newBuilder().setNode(node.toProto()).setTypeUrl(typeUrl());
    if (!isWildcard()) { // or else it is asked for by naming nothing
      first.addResourceNamesSubscribe(ALL).addResourceNamesUnsubscribe(ALL);
    }
    ByteBuf message = ByteBufAllocator.DEFAULT.directBuffer();
    try {
      EchoedVersions versions = new EchoedVersions(first.build(), message);
      int echoed = held.echo(maxBytes, versions::add);
      List<String> left = isWildcard() ? List.of() : demanded(versions, echoed);
      versions.end();
      sink.accept(message.retain());
      for (DeltaDiscoveryRequest request : subscribe(left)) {
        sink.accept(Unpooled.wrappedBuffer(request.toByteArray()));
      }
      return echoed;
    } finally {
      message.release();
    }
  }

  /**
   * Asks for what is demanded and not held, as long as there is room in the request.
   *
   * @return what else is to be asked for: all that was not echoed, and what there was no room for
   */
  private List<String> demanded(EchoedVersions versions, int echoed) {
    List<String> left = new ArrayList<>();
    held.forEachUnconfirmed(left::add);
    int room = left.isEmpty() ? MAX_NAMES_OF_A_REQUEST - echoed : 0;
    for (String key : demands.keys()) {
      if (!held.contains(key)) {
        if (room > 0) {
          versions.add(key, "");
          room--;
        } else {
          left.add(key);
        }
      }
    }
    return left;
  }

  /** As many as surely fit into a request of 4 MiB, with names of up to 350 bytes. */
  private static final int MAX_NAMES_OF_A_REQUEST = 10_000;

  /** Asks for more, in as many requests as it takes. */
  List<DeltaDiscoveryRequest> subscribe(List<String> names) {
    return requests(names, DeltaDiscoveryRequest.Builder::addAllResourceNamesSubscribe);
  }

  /** Asks for less, in as many requests as it takes. */
  List<DeltaDiscoveryRequest> unsubscribe(List<String> names) {
    return requests(names, DeltaDiscoveryRequest.Builder::addAllResourceNamesUnsubscribe);
  }

  private List<DeltaDiscoveryRequest> requests(
      List<String> names, BiConsumer<DeltaDiscoveryRequest.Builder, List<String>> add) {
    List<DeltaDiscoveryRequest> requests = new ArrayList<>();
    for (int from = 0; from < names.size(); from += MAX_NAMES_OF_A_REQUEST) {
      int to = Math.min(names.size(), from + MAX_NAMES_OF_A_REQUEST);
      var request = DeltaDiscoveryRequest.newBuilder().setTypeUrl(typeUrl());
      add.accept(request, names.subList(from, to));
      requests.add(request.build());
    }
    return requests;
  }
}
