package io.ztunnel.redirection;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/** Takes root's powers away from the calling thread, and from it alone. Stateless. */
@SuppressWarnings("restricted") // native access is what this class is for
final class Capabilities {
  private static final int VERSION_3 = 0x20080522;
  private static final MethodHandle SYSCALL =
      Linker.nativeLinker()
          .downcallHandle(
              Linker.nativeLinker().defaultLookup().findOrThrow("syscall"),
              FunctionDescriptor.of(
                  ValueLayout.JAVA_LONG,
                  ValueLayout.JAVA_LONG,
                  ValueLayout.ADDRESS,
                  ValueLayout.ADDRESS),
              Linker.Option.firstVariadicArg(1));

  private Capabilities() {}

  /** For good: a thread cannot take them back. */
  static void dropForThisThread() {
    long capset = System.getProperty("os.arch").equals("aarch64") ? 91 : 126;
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment header = arena.allocateFrom(ValueLayout.JAVA_INT, VERSION_3, 0);
      MemorySegment none = arena.allocate(24, Integer.BYTES);
      long result = (long) SYSCALL.invokeExact(capset, header, none);
      if (result != 0) {
        throw new IllegalStateException("capset failed");
      }
    } catch (RuntimeException | Error e) {
      throw e;
    } catch (Throwable e) {
      throw new LinkageError("capset", e);
    }
  }
}
