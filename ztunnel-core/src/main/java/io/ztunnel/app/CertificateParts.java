package io.ztunnel.app;

import io.netty.util.concurrent.EventExecutor;
import io.ztunnel.hbone.TrustRoots;
import io.ztunnel.identity.CaClient;
import io.ztunnel.identity.CertificateAuthority;
import io.ztunnel.identity.CertificateFiles;
import io.ztunnel.identity.CertificateManager;
import io.ztunnel.identity.FileWatch;
import io.ztunnel.identity.NoAuthority;
import io.ztunnel.identity.RevocationFile;
import io.ztunnel.identity.RevokedCertificates;
import io.ztunnel.identity.RootsFile;
import io.ztunnel.identity.TrialAuthority;
import io.ztunnel.log.Log;
import io.ztunnel.xds.ControlPlaneChannels;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Path;
import java.time.Clock;
import java.util.HashMap;
import java.util.Map;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/**
 * Where certificates come from, what is revoked, and who hands them out. Belongs to the main
 * thread.
 */
final class CertificateParts implements AutoCloseable {
  private static final Log LOG = Log.target("ztunnel");

  private final Config config;
  private final FileWatch files = new FileWatch();

  /** Null unless some are kept in files. */
  private final @Nullable CertificateFiles inFiles;

  private final CertificateManager manager;

  /**
   * Parts that do not follow their files yet.
   *
   * @param channels stays the caller's, who closes it after this
   */
  CertificateParts(Config config, EventExecutor control, ControlPlaneChannels channels)
      throws StartException {
    this.config = config;
    CertificateAuthority signer = signer(channels);
    @Nullable Path directory = config.ca().certificateDirectory();
    this.inFiles =
        directory == null
            ? null
            : CertificateFiles.open(directory, signer, files, Clock.systemUTC());
    this.manager =
        new CertificateManager(
            control,
            inFiles == null ? signer : inFiles,
            DataPathSettings.tls(config),
            rootsOfPeers(),
            new RevokedCertificates(control),
            Clock.systemUTC(),
            new SplittableRandom());
  }

  private Map<String, TrustRoots> rootsOfPeers() {
    Map<String, TrustRoots> roots = new HashMap<>();
    config
        .security()
        .trustDomainRoots()
        .forEach((domain, path) -> roots.put(domain, RootsFile.open(domain, path, files)));
    return roots;
  }

  private CertificateAuthority signer(ControlPlaneChannels channels) throws StartException {
    @Nullable Path directory = config.ca().trialDirectory();
    @Nullable URI address = config.ca().address();
    try {
      if (directory != null) {
        TrialAuthority authority =
            TrialAuthority.open(directory, config.ca().secretTtl(), Clock.systemUTC());
        LOG.warn(
            "FAKE_CA=true: certificates are signed by a root of our own in "
                + directory
                + ", for whoever can read it. For trials only");
        return authority;
      }
      return address == null
          ? new NoAuthority(
              "no files for it in ZTUNNEL_CERTIFICATE_DIR, and no CA (CA_ADDRESS is empty)")
          : CaClient.open(
              channels, ControlPlaneSettings.ca(config, address), files, Clock.systemUTC());
    } catch (IOException e) {
      throw new StartException(e);
    }
  }

  CertificateManager manager() {
    return manager;
  }

  /** Has changes of revoked certificates, and of certificates in files, taken over. */
  void followFiles() {
    @Nullable Path revocations = config.security().revocationList();
    if (revocations != null) {
      RevocationFile.open(revocations, maxRevocationBytes(), manager.revoked(), files);
    }
    if (inFiles != null) {
      inFiles.onChange(files, manager::renew);
    }
  }

  /**
   * While a list is read, it and the former take six times the file at most: a third of the heap.
   */
  private static int maxRevocationBytes() {
    return (int) Math.min(Runtime.getRuntime().maxMemory() / 20, 128 << 20);
  }

  @Override
  public void close() {
    files.close();
    manager.close();
  }
}
