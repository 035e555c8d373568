package dev.clickstream.connect.config;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.util.Base64;
import java.util.List;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;

/**
 * A self-signed certificate, made with the JDK's keytool.
 *
 * @param pem the certificate, which is its own authority
 * @param server a TLS context that presents it
 */
record Certificates(String pem, SSLContext server) {
  private static final char[] PASSWORD = "changeit".toCharArray();

  static Certificates make(String hostname) throws IOException, InterruptedException, GeneralSecurityException {
    Path folder = Files.createTempDirectory("certificates");
    Path file = folder.resolve("keys.p12");
    Process keytool = new ProcessBuilder(List.of(
        Path.of(System.getProperty("java.home"), "bin", "keytool").toString(), "-genkeypair", "-alias", "key", "-keyalg", "EC", "-dname", "CN=" + hostname,
        "-ext", "san=dns:" + hostname, "-validity", "10", "-keystore", file.toString(), "-storetype", "PKCS12", "-storepass", new String(PASSWORD)))
        .redirectErrorStream(true).start();
    String output = new String(keytool.getInputStream().readAllBytes());
    if (keytool.waitFor() != 0) {
      throw new IOException(output);
    }
    KeyStore keys = KeyStore.getInstance("PKCS12");
    try (InputStream in = Files.newInputStream(file)) {
      keys.load(in, PASSWORD);
    }
    Files.delete(file);
    Files.delete(folder);
    KeyManagerFactory managers = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
    managers.init(keys, PASSWORD);
    SSLContext server = SSLContext.getInstance("TLS");
    server.init(managers.getKeyManagers(), null, null);
    String base64 = Base64.getMimeEncoder().encodeToString(keys.getCertificate("key").getEncoded());
    return new Certificates("-----BEGIN CERTIFICATE-----\n" + base64 + "\n-----END CERTIFICATE-----\n", server);
  }
}
