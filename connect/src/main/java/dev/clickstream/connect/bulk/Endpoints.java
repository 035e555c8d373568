package dev.clickstream.connect.bulk;

import java.net.URI;
import java.util.List;

/** Keeps the engine's addresses: one in use, the next one after a failure. Safe for several threads. */
public final class Endpoints {
  private final List<URI> urls;
  private int at;

  /** @param start where to begin, so that tasks spread over the addresses */
  public Endpoints(List<URI> urls, int start) {
    this.urls = List.copyOf(urls);
    this.at = Math.floorMod(start, urls.size());
  }

  synchronized URI current() {
    return urls.get(at);
  }

  /** Goes on from an address that failed; if another thread has done so already, nothing changes. */
  synchronized void failed(URI url) {
    if (urls.get(at).equals(url)) {
      at = (at + 1) % urls.size();
    }
  }
}
