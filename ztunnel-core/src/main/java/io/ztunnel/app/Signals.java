package io.ztunnel.app;

import java.lang.reflect.Proxy;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * SIGTERM and SIGINT as an orderly way to end (Istio: both drain; a second SIGINT ends at once with
 * status 0). Handlers run on the JVM's signal thread.
 *
 * <p>{@code sun.misc.Signal} is the JDK's only way to handle a signal without ending the process.
 * It is supported (module jdk.unsupported) but javac warns at every mention of its name, and a
 * warning stops our build; so it is reached by reflection, here and nowhere else.
 */
final class Signals {
  private Signals() {}

  /** Calls the action at each SIGTERM and at the first SIGINT. */
  static void onTermination(Runnable action) {
    AtomicBoolean interrupted = new AtomicBoolean();
    handle("TERM", action);
    handle(
        "INT",
        () -> {
          if (interrupted.getAndSet(true)) {
            Runtime.getRuntime().halt(0);
          }
          action.run();
        });
  }

  private static void handle(String name, Runnable action) {
    try {
      Class<?> signal = Class.forName("sun.misc.Signal");
      Class<?> handler = Class.forName("sun.misc.SignalHandler");
      Object callback =
          Proxy.newProxyInstance(
              Signals.class.getClassLoader(),
              new Class<?>[] {handler},
              (_, method, arguments) -> {
                if (method.getName().equals("handle")) {
                  action.run();
                  return null;
                }
                return method.invoke(action, arguments); // those of Object
              });
      signal
          .getMethod("handle", signal, handler)
          .invoke(null, signal.getConstructor(String.class).newInstance(name), callback);
    } catch (ReflectiveOperationException e) {
      throw new IllegalStateException("cannot handle SIG" + name, e);
    }
  }
}
