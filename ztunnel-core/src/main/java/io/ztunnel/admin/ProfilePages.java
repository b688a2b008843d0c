package io.ztunnel.admin;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.ImmediateEventExecutor;
import io.netty.util.concurrent.Promise;
import io.ztunnel.profile.NotActiveException;
import io.ztunnel.profile.Profiler;
import io.ztunnel.profile.ProfilerBusyException;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.Map;

/** {@code /debug/pprof/…} and {@code /debug/jfr}: profiles of the process. Stateless. */
final class ProfilePages {
  private static final int MAX_SECONDS = 300;
  private static final int DEFAULT_SECONDS = 10;
  private static final int MAX_HERTZ = 1_000;
  private static final int DEFAULT_HERTZ = 100;
  private static final String BINARY = "application/octet-stream";

  private final Profiler profiler;

  ProfilePages(Profiler profiler) {
    this.profiler = profiler;
  }

  /** A CPU profile of the next seconds. */
  Answer cpu(HttpRequest request) {
    try {
      Duration length =
          Duration.ofSeconds(number(request, "seconds", DEFAULT_SECONDS, MAX_SECONDS));
      int hertz = number(request, "frequency", DEFAULT_HERTZ, MAX_HERTZ);
      return later(profiler.cpu(length, hertz), ProfilePages::pprof);
    } catch (BadQueryException e) {
      return refused(e);
    }
  }

  /** A flight recording of the next seconds. */
  Answer flight(HttpRequest request) {
    try {
      Duration length =
          Duration.ofSeconds(number(request, "seconds", DEFAULT_SECONDS, MAX_SECONDS));
      return later(profiler.flight(length), ProfilePages::file);
    } catch (BadQueryException e) {
      return refused(e);
    }
  }

  /** Who allocated what. */
  Answer heap() {
    return later(profiler.heap(), ProfilePages::pprof);
  }

  /** Switches the sampling of allocations. */
  Answer heapProfiling(HttpRequest request) {
    Query query = Query.of(request.uri());
    if (!query.has("activate")) {
      return state(profiler.isHeapActive());
    }
    return switch (query.last("activate")) {
      case "true" -> later(profiler.heapActive(true), ProfilePages::state);
      case "false" -> later(profiler.heapActive(false), ProfilePages::state);
      case String other ->
          HttpReply.text(
              HttpResponseStatus.BAD_REQUEST,
              "invalid activate value: " + other + "; expected true or false\n");
    };
  }

  private static HttpReply state(boolean active) {
    return HttpReply.text(HttpResponseStatus.OK, "heap profiling active: " + active + "\n");
  }

  private static HttpReply pprof(byte[] profile) {
    return HttpReply.bytes(HttpResponseStatus.OK, "", Unpooled.wrappedBuffer(profile));
  }

  private static HttpReply file(Path path) throws IOException {
    return new HttpReply(
        HttpResponseStatus.OK,
        BINARY,
        new Body.Streamed(
            new FilePieces(
                FileChannel.open(
                    path, StandardOpenOption.READ, StandardOpenOption.DELETE_ON_CLOSE))),
        Map.of());
  }

  private static HttpReply refused(BadQueryException reason) {
    return HttpReply.text(HttpResponseStatus.BAD_REQUEST, reason.getMessage() + "\n");
  }

  private interface Reply<T> {
    HttpReply of(T result) throws IOException;
  }

  /** The reply when the profiler is done. A client that leaves ends the profile. */
  private static <T> Answer later(Future<T> result, Reply<T> reply) {
    Promise<HttpReply> promise = ImmediateEventExecutor.INSTANCE.newPromise();
    promise.addListener(
        _ -> {
          if (promise.isCancelled()) {
            result.cancel(false);
          }
        });
    result.addListener(
        (Future<T> done) -> {
          if (promise.isCancelled() && !done.isSuccess()) {
            return;
          }
          try {
            HttpReply made = done.isSuccess() ? reply.of(done.getNow()) : failed(done.cause());
            if (!promise.trySuccess(made)) {
              made.discard();
            }
          } catch (IOException e) {
            promise.tryFailure(e);
          }
        });
    return new Answer.Later(promise, true);
  }

  private static HttpReply failed(Throwable cause) {
    return switch (cause) {
      case ProfilerBusyException busy ->
          HttpReply.text(HttpResponseStatus.CONFLICT, busy.getMessage() + "\n");
      case NotActiveException inactive ->
          HttpReply.text(
              HttpResponseStatus.INTERNAL_SERVER_ERROR,
              inactive.getMessage()
                  + "; switch it on by /debug/pprof/heap/profiling?activate=true\n");
      default ->
          HttpReply.text(HttpResponseStatus.INTERNAL_SERVER_ERROR, "no profile: " + cause + "\n");
    };
  }

  private static int number(HttpRequest request, String name, int absent, int max)
      throws BadQueryException {
    Query query = Query.of(request.uri());
    String text = query.last(name);
    if (!query.has(name)) {
      return absent;
    }
    try {
      int number = Integer.parseInt(text);
      if (number >= 1 && number <= max) {
        return number;
      }
    } catch (NumberFormatException _) {
      // told below
    }
    throw new BadQueryException("invalid %s value; expected 1-%d".formatted(name, max));
  }

  /** A file, which is gone when it was sent. */
  private record FilePieces(FileChannel file) implements Body.Pieces {
    private static final int PIECE_BYTES = 32 << 10;

    @Override
    public boolean writeNext(ByteBuf out) throws IOException {
      return out.writeBytes(file, PIECE_BYTES) >= 0;
    }

    @Override
    public void close() throws IOException {
      file.close();
    }
  }
}
