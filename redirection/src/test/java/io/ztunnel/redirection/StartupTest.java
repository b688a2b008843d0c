package io.ztunnel.redirection;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;

import io.ztunnel.redirection.FileDescriptorLimit.Outcome;
import org.junit.jupiter.api.Test;

class StartupTest {
  @Test
  void permissionsOfRootSuffice() throws Exception {
    Privileges.assumeLab();
    Permissions.check();
  }

  @Test
  void raisedLimitIsTheHardOne() throws Exception {
    Libc.Limit limit = Libc.descriptorLimit();
    Libc.setDescriptorLimit(new Libc.Limit(limit.hard() - 1, limit.hard()));
    Outcome.Raised raised = assertInstanceOf(Outcome.Raised.class, FileDescriptorLimit.raise());
    assertEquals(new Outcome.Raised(limit.hard() - 1, limit.hard()), raised);
    assertEquals(new Libc.Limit(limit.hard(), limit.hard()), Libc.descriptorLimit());
  }
}
