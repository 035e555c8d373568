"""`python -m clickstream_e2e.dry_run`: what the suite would apply, and where it would conflict."""

import os
import shutil
from collections import defaultdict
from types import SimpleNamespace

from clickstream_e2e.kube import Kube
from clickstream_e2e.platform import Platform


def main() -> None:
    """Print one line for each object; nothing is changed."""
    cluster = SimpleNamespace(
        kubeconfig_path=os.environ.get("E2E_KUBECONFIG") or os.environ["KUBECONFIG"],
        kubectl_path=os.environ.get("E2E_KUBECTL") or shutil.which("kubectl"),
        load_docker_image=lambda _: None,
    )
    for line in Platform(Kube(cluster), defaultdict(lambda: "not-built")).conflicts():
        print(line)


if __name__ == "__main__":
    main()
