package io.ztunnel.redirection;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/**
 * A function of libc that takes up to five integers and pointers and returns one of them.
 *
 * <p>All are linked as if they took five 64-bit integers: the ABIs of 64-bit Linux (System V for
 * x86-64, AAPCS64) pass integers and pointers alike, one in each of the first registers, of
 * variadic functions too, and a callee does not look at what it has no parameter for. So there is
 * one signature; for each one more the JVM makes ten classes at every start.
 *
 * <p>Stateless; callable from any thread. The memory that an address is of must outlive the call.
 */
@SuppressWarnings("restricted") // native access is what this class is for
record LibcFunction(MethodHandle handle) {
  private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG;
  private static final FunctionDescriptor SIGNATURE =
      FunctionDescriptor.of(LONG, LONG, LONG, LONG, LONG, LONG);
  private static final Linker LINKER = Linker.nativeLinker();
  private static final Linker.Option ERRNO = Linker.Option.captureCallState("errno");

  static LibcFunction named(String name) {
    return new LibcFunction(
        LINKER.downcallHandle(LINKER.defaultLookup().findOrThrow(name), SIGNATURE, ERRNO));
  }

  /**
   * Calls it.
   *
   * @param state receives the error number
   * @return of a function whose result is an {@code int} only the lower half means something
   */
  long call(MemorySegment state, long first, long second, long third, long fourth, long fifth)
      throws Throwable {
    return (long) handle.invokeExact(state, first, second, third, fourth, fifth);
  }

  long call(MemorySegment state, long first, long second, long third, long fourth)
      throws Throwable {
    return call(state, first, second, third, fourth, 0);
  }

  long call(MemorySegment state, long first, long second, long third) throws Throwable {
    return call(state, first, second, third, 0, 0);
  }

  long call(MemorySegment state, long first, long second) throws Throwable {
    return call(state, first, second, 0, 0, 0);
  }

  long call(MemorySegment state, long only) throws Throwable {
    return call(state, only, 0, 0, 0, 0);
  }
}
