package dev.clickstream.connect.config;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.TrustManager;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509ExtendedTrustManager;
import javax.net.ssl.X509TrustManager;

/** Makes https connections trust the authorities given as PEM, or else those of the Java runtime. */
public final class Trust {
  private Trust() {}

  /**
   * Returns the TLS context of a configuration.
   *
   * @throws IOException if tls.ca.path cannot be read
   * @throws GeneralSecurityException if a certificate is unusable
   */
  public static SSLContext context(String caPath, String caPem, boolean verifyHostname) throws IOException, GeneralSecurityException {
    List<X509Certificate> authorities = new ArrayList<>();
    if (!caPath.isEmpty()) {
      authorities.addAll(readFile(caPath));
    }
    if (!caPem.isEmpty()) {
      authorities.addAll(readText(caPem));
    }
    X509TrustManager manager = manager(authorities);
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(null, new TrustManager[] {verifyHostname ? manager : new AnyHostname(manager)}, null);
    return context;
  }

  static List<X509Certificate> readFile(String path) throws IOException, CertificateException {
    try (InputStream in = Files.newInputStream(Path.of(path))) {
      return read(in);
    }
  }

  static List<X509Certificate> readText(String pem) throws CertificateException {
    return read(new ByteArrayInputStream(pem.getBytes(StandardCharsets.UTF_8)));
  }

  private static List<X509Certificate> read(InputStream in) throws CertificateException {
    Collection<?> all = CertificateFactory.getInstance("X.509").generateCertificates(in);
    return all.stream().map(X509Certificate.class::cast).toList();
  }

  private static X509TrustManager manager(List<X509Certificate> authorities) throws IOException, GeneralSecurityException {
    KeyStore store = null; // null: the runtime's own
    if (!authorities.isEmpty()) {
      store = KeyStore.getInstance(KeyStore.getDefaultType());
      store.load(null, null);
      for (int i = 0; i < authorities.size(); i++) {
        store.setCertificateEntry("ca-" + i, authorities.get(i));
      }
    }
    TrustManagerFactory factory = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    factory.init(store);
    for (TrustManager manager : factory.getTrustManagers()) {
      if (manager instanceof X509TrustManager x509) {
        return x509;
      }
    }
    throw new GeneralSecurityException("the Java runtime has no X.509 trust manager");
  }

  /**
   * Checks the chain and leaves out the host name.
   *
   * <p>java.net.http always asks for host name verification, and the runtime's trust manager does it where it is
   * handed the engine or socket: this one does not pass them on.
   */
  private static final class AnyHostname extends X509ExtendedTrustManager {
    private final X509TrustManager chain;

    AnyHostname(X509TrustManager chain) {
      this.chain = chain;
    }

    @Override
    public void checkServerTrusted(X509Certificate[] certificates, String type) throws CertificateException {
      chain.checkServerTrusted(certificates, type);
    }

    @Override
    public void checkServerTrusted(X509Certificate[] certificates, String type, Socket socket) throws CertificateException {
      chain.checkServerTrusted(certificates, type);
    }

    @Override
    public void checkServerTrusted(X509Certificate[] certificates, String type, SSLEngine engine) throws CertificateException {
      chain.checkServerTrusted(certificates, type);
    }

    @Override
    public void checkClientTrusted(X509Certificate[] certificates, String type) throws CertificateException {
      chain.checkClientTrusted(certificates, type);
    }

    @Override
    public void checkClientTrusted(X509Certificate[] certificates, String type, Socket socket) throws CertificateException {
      chain.checkClientTrusted(certificates, type);
    }

    @Override
    public void checkClientTrusted(X509Certificate[] certificates, String type, SSLEngine engine) throws CertificateException {
      chain.checkClientTrusted(certificates, type);
    }

    @Override
    public X509Certificate[] getAcceptedIssuers() {
      return chain.getAcceptedIssuers();
    }
  }
}
