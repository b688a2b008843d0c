package io.ztunnel.identity;

import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.ImmediateEventExecutor;
import io.ztunnel.hbone.KeyMaterial;
import io.ztunnel.hbone.SpiffeId;
import io.ztunnel.log.Log;
import io.ztunnel.log.LogLevel;
import java.io.IOException;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.PrivateKey;
import java.security.Signature;
import java.security.cert.X509Certificate;
import java.time.Clock;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Certificates that another program keeps in files ({@code ZTUNNEL_CERTIFICATE_DIR}), for the
 * identities that it has; every other identity is asked of the authority beside it. A set of files
 * lies in the directory itself or in a sub-directory of any name, under the names of cert-manager
 * or of SPIRE's helper; the identity is the one in the certificate. A set that does not fit
 * together is refused alone: its former content stays in use.
 *
 * <p>Read by the watch's thread; asked by any.
 */
public final class CertificateFiles implements CertificateAuthority {
  private static final Log LOG = Log.target("ztunnel::identity::files");

  private static final int MAX_SETS = 1_000;
  private static final int MAX_FILE_BYTES = 1 << 20;

  /** The names of the files of one set: certificate with intermediates, key, roots. */
  private record Names(String chain, String key, String roots) {}

  private static final List<Names> NAMES =
      List.of(
          new Names("tls.crt", "tls.key", "ca.crt"),
          new Names("svid.pem", "svid_key.pem", "svid_bundle.pem"));

  private record Loaded(SpiffeId identity, KeyMaterial material) {}

  private final Path directory;
  private final CertificateAuthority others;
  private final Clock clock;
  private final Map<Path, Loaded> sets = new HashMap<>();
  private @Nullable Consumer<SpiffeId> changed;

  /** Replaced as a whole by the watch's thread, read by any. */
  private volatile Map<SpiffeId, KeyMaterial> materials = Map.of();

  private CertificateFiles(Path directory, CertificateAuthority others, Clock clock) {
    this.directory = directory;
    this.others = others;
    this.clock = clock;
  }

  /**
   * Reads the directory, before this returns if that takes less than ten seconds, and again
   * whenever something in it changes, until the watch is closed. It may come later.
   *
   * @param others who signs for identities without files; closed together with this
   */
  public static CertificateFiles open(
      Path directory, CertificateAuthority others, FileWatch watch, Clock clock) {
    CertificateFiles files = new CertificateFiles(directory, others, clock);
    watch.load(directory, files::load);
    if (!Files.isDirectory(directory)) {
      LOG.at(LogLevel.WARN, "no certificates in files yet")
          .string("directory", directory.toString())
          .log();
    }
    return files;
  }

  /** Calls this for each identity whose files come, change or go. Set once, before any change. */
  public void onChange(FileWatch watch, Consumer<SpiffeId> action) {
    watch.thread().execute(() -> changed = action);
  }

  @Override
  public Future<KeyMaterial> sign(SpiffeId identity) {
    @Nullable KeyMaterial material = materials.get(identity);
    if (material == null) {
      return others.sign(identity);
    }
    try {
      SignedChain.checkTime(material.chain(), clock.instant());
      return ImmediateEventExecutor.INSTANCE.newSucceededFuture(material);
    } catch (IOException e) {
      return ImmediateEventExecutor.INSTANCE.newFailedFuture(
          new IOException("files in " + directory + ": " + e.getMessage(), e));
    }
  }

  @Override
  public void close() {
    others.close();
  }

  private void load(FileWatch.Change change) {
    List<Path> places;
    try {
      places = places();
    } catch (IOException e) {
      refused(change, directory, !sets.isEmpty(), e);
      return;
    }
    Set<Path> found = new HashSet<>();
    for (Path place : places) {
      @Nullable Names names = namesIn(place);
      if (names == null) {
        continue;
      }
      found.add(place);
      try {
        sets.put(place, read(place, names));
      } catch (IOException e) {
        refused(change, place, sets.containsKey(place), e);
      }
    }
    sets.keySet().retainAll(found);
    publish();
  }

  private static void refused(
      FileWatch.Change change, Path place, boolean former, IOException cause) {
    if (change.failed(place, cause)) {
      LOG.at(
              LogLevel.ERROR,
              former
                  ? "certificate files not taken over, the former stay in use"
                  : "certificate files not taken over")
          .string("directory", place.toString())
          .string("error", String.valueOf(cause.getMessage()))
          .log();
    }
  }

  private void publish() {
    Map<SpiffeId, KeyMaterial> before = materials;
    Map<SpiffeId, KeyMaterial> now = new HashMap<>();
    // By path, so that of two sets for one identity it is always the same that counts.
    sets.keySet().stream()
        .sorted()
        .map(sets::get)
        .forEach(set -> now.putIfAbsent(set.identity(), set.material()));
    materials = Map.copyOf(now);
    Set<SpiffeId> all = new HashSet<>(before.keySet());
    all.addAll(now.keySet());
    for (SpiffeId identity : all) {
      if (!same(before.get(identity), now.get(identity))) {
        LOG.at(LogLevel.INFO, now.containsKey(identity) ? "certificate files" : "files are gone")
            .display("identity", identity)
            .log();
        if (changed != null) {
          changed.accept(identity);
        }
      }
    }
  }

  private static boolean same(@Nullable KeyMaterial before, @Nullable KeyMaterial now) {
    return before != null
        && now != null
        && before.chain().equals(now.chain())
        && before.roots().equals(now.roots());
  }

  /** The directory and its sub-directories, without the hidden ones of mounted volumes. */
  private List<Path> places() throws IOException {
    List<Path> places = new ArrayList<>(List.of(directory));
    try (DirectoryStream<Path> entries = Files.newDirectoryStream(directory)) {
      for (Path entry : entries) {
        boolean hidden = entry.getFileName().toString().startsWith("..");
        if (!hidden && Files.isDirectory(entry) && places.size() < MAX_SETS) {
          places.add(entry);
        }
      }
    } catch (NoSuchFileException | NotDirectoryException e) {
      return List.of(); // not there yet
    } catch (IOException | DirectoryIteratorException e) {
      throw new NotNowException(e.toString(), e);
    }
    return places;
  }

  private static @Nullable Names namesIn(Path place) {
    for (Names names : NAMES) {
      if (Files.exists(place.resolve(names.chain()))) {
        return names;
      }
    }
    return null;
  }

  private Loaded read(Path place, Names names) throws IOException {
    List<X509Certificate> chain = certificates(place.resolve(names.chain()));
    List<X509Certificate> roots = certificates(place.resolve(names.roots()));
    PrivateKey key = of(place.resolve(names.key()), PemText::key);
    X509Certificate leaf = chain.getFirst();
    String uri = SignedChain.firstUri(leaf).orElse("none");
    SpiffeId identity =
        SpiffeId.parse(uri)
            .orElseThrow(
                () ->
                    new IOException(
                        "%s: identity %s (expected: spiffe://<trust domain>/ns/<namespace>/sa/<account>)"
                            .formatted(names.chain(), uri)));
    if (!belongTogether(key, leaf)) {
      throw new IOException(
          "%s is not the key of %s (expected: both of one certificate)"
              .formatted(names.key(), names.chain()));
    }
    try {
      SignedChain.checkTime(chain, clock.instant());
    } catch (IOException e) {
      throw new NotNowException(String.valueOf(e.getMessage()), e); // the clock may be wrong
    }
    return new Loaded(identity, new KeyMaterial(key, chain, roots));
  }

  private static List<X509Certificate> certificates(Path file) throws IOException {
    List<X509Certificate> certificates = of(file, PemText::certificates);
    if (certificates.isEmpty()) {
      throw new IOException(file.getFileName() + ": no certificate found (expected: X.509 PEM)");
    }
    return certificates;
  }

  @FunctionalInterface
  private interface Parser<T> {
    T parse(String pem) throws IOException;
  }

  /** What a file holds; what is wrong with its content is said with its name. */
  private static <T> T of(Path file, Parser<T> parser) throws IOException {
    try {
      return parser.parse(BoundedFile.text(file, MAX_FILE_BYTES));
    } catch (NotNowException e) {
      throw e;
    } catch (IOException e) {
      throw new IOException(file.getFileName() + ": " + e.getMessage(), e);
    }
  }

  /** Whether the key signs what the certificate verifies. */
  static boolean belongTogether(PrivateKey key, X509Certificate certificate) {
    String algorithm =
        switch (key.getAlgorithm()) {
          case "RSA" -> "SHA256withRSA";
          case "EC" -> "SHA256withECDSA";
          default -> key.getAlgorithm();
        };
    byte[] challenge = {1};
    try {
      Signature signature = Signature.getInstance(algorithm);
      signature.initSign(key);
      signature.update(challenge);
      byte[] signed = signature.sign();
      signature.initVerify(certificate.getPublicKey());
      signature.update(challenge);
      return signature.verify(signed);
    } catch (GeneralSecurityException e) {
      return false; // of another algorithm
    }
  }
}
