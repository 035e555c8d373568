package dev.clickstream.connect;

/** The version of this jar, as its manifest states it. */
final class Version {
  private Version() {}

  /** Returns the manifest's Implementation-Version, or {@code development} outside a jar. */
  static String ofThisJar() {
    String version = Version.class.getPackage().getImplementationVersion();
    return version == null ? "development" : version;
  }
}
