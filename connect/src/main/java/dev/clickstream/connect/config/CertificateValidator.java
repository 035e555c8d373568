package dev.clickstream.connect.config;

import java.io.IOException;
import java.security.GeneralSecurityException;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.common.config.ConfigException;

/** PEM certificates, in a file or as text. Empty is valid. */
enum CertificateValidator implements ConfigDef.Validator {
  FILE("a readable PEM file with at least one certificate"),
  TEXT("PEM text with at least one certificate");

  private final String allowed;

  CertificateValidator(String allowed) {
    this.allowed = allowed;
  }

  @Override
  public void ensureValid(String name, Object value) {
    String given = value == null ? "" : (String) value;
    if (given.isEmpty()) {
      return;
    }
    try {
      if ((this == FILE ? Trust.readFile(given) : Trust.readText(given)).isEmpty()) {
        throw new ConfigException(name + " holds no certificate: " + allowed);
      }
    } catch (IOException e) {
      throw new ConfigException(name + ": cannot read " + given + " (" + e.getClass().getSimpleName() + "): " + allowed);
    } catch (GeneralSecurityException e) {
      throw new ConfigException(name + " is not PEM: " + allowed);
    }
  }

  @Override
  public String toString() {
    return "empty, or " + allowed;
  }
}
