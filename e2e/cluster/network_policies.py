#!/usr/bin/env python3
"""Enforces NetworkPolicies on the single node: one look a second, all policies become one nftables table.

    network_policies.py          keeps the table up to date until it is ended

Works because the ptp plugin routes every packet between pods through the node's forward hook. Covered:
ingress and egress, podSelector, namespaceSelector, ipBlock with except, ports (number, name, endPort), TCP,
UDP, SCTP, IPv4. Not covered: IPv6, pods on the host's network. Traffic from the node itself (probes) always
passes, as the API demands.
"""

import base64
import hashlib
import json
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

TABLE = "clickstream-policies"
Document = dict[str, Any]
Get = Callable[[str], list[Document]]


def client() -> Get:
    """Return a function that lists what is at a path of the API server of the present kubeconfig."""
    view = ["kubectl", "config", "view", "--raw", "-o", "json"]
    kubeconfig = json.loads(subprocess.run(view, check=True, capture_output=True).stdout)
    cluster, user = kubeconfig["clusters"][0]["cluster"], kubeconfig["users"][0]["user"]
    context = ssl.create_default_context(cadata=_decoded(cluster["certificate-authority-data"]).decode())
    with tempfile.NamedTemporaryFile() as file:
        file.write(_decoded(user["client-certificate-data"]) + _decoded(user["client-key-data"]))
        file.flush()
        context.load_cert_chain(file.name)

    def get(path: str) -> list[Document]:
        with urllib.request.urlopen(cluster["server"] + path, context=context, timeout=10) as answer:
            items: list[Document] = json.load(answer)["items"]
            return items

    return get


def _decoded(text: str) -> bytes:
    return base64.b64decode(text)


def selects(selector: Document, labels: dict[str, str]) -> bool:
    """Tell whether a label selector selects these labels."""
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    for expression in selector.get("matchExpressions") or []:
        key, values = expression["key"], expression.get("values") or []
        holds = {
            "In": labels.get(key) in values,
            "NotIn": labels.get(key) not in values,
            "Exists": key in labels,
            "DoesNotExist": key not in labels,
        }
        if not holds[expression["operator"]]:
            return False
    return True


def _labels(document: Document) -> dict[str, str]:
    return document["metadata"].get("labels") or {}


def _named_ports(pod: Document, name: str, protocol: str) -> list[int]:
    """Return the numbers of a pod's port of this name; containers that stay count, others do not."""
    stay = [c for c in pod["spec"].get("initContainers") or [] if c.get("restartPolicy") == "Always"]
    ports = [port for c in (*pod["spec"]["containers"], *stay) for port in c.get("ports") or []]
    return [
        p["containerPort"] for p in ports if p.get("name") == name and p.get("protocol", "TCP") == protocol
    ]


class Table:
    """The text of the nftables table for one look at the cluster."""

    def __init__(self, get: Get) -> None:
        self._namespaces = {n["metadata"]["name"]: _labels(n) for n in get("/api/v1/namespaces")}
        self._pods = [
            pod
            for pod in get("/api/v1/pods")
            if pod["status"].get("podIP")
            and not pod["spec"].get("hostNetwork")
            and pod["status"]["phase"] in ("Pending", "Running")
        ]
        self._policies = get("/apis/networking.k8s.io/v1/networkpolicies")

    def text(self) -> str:
        """Return the whole table; loading it replaces the one before at once."""
        chains: list[str] = []
        jumps: dict[str, list[str]] = {"Ingress": [], "Egress": []}
        for pod in self._pods:
            for direction, into in jumps.items():
                policies = self._of(pod, direction)
                if not policies:
                    continue
                whole = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
                name = f"{direction.lower()}-{hashlib.sha256(whole.encode()).hexdigest()[:12]}"
                into.append(f"{pod['status']['podIP']} : jump {name}")
                rules = sorted({rule for policy in policies for rule in self._rules(policy, pod, direction)})
                chains.append(_chain(name, [*(f"{rule} return" for rule in rules), "drop"]))
        both, outgoing = _hook(jumps, ("Egress", "Ingress")), _hook(jumps, ("Egress",))
        chains.append(_chain("forward", ["type filter hook forward priority 10; policy accept;", *both]))
        # What a pod sends to the node itself (the API server behind its ClusterIP) comes in here.
        chains.append(_chain("input", ["type filter hook input priority 10; policy accept;", *outgoing]))
        return f"table ip {TABLE}\ndelete table ip {TABLE}\ntable ip {TABLE} {{\n{''.join(chains)}}}\n"

    def _of(self, pod: Document, direction: str) -> list[Document]:
        found = []
        for policy in self._policies:
            spec = policy["spec"]
            types = spec.get("policyTypes") or ["Ingress", *(["Egress"] if spec.get("egress") else [])]
            same = policy["metadata"]["namespace"] == pod["metadata"]["namespace"]
            if same and direction in types and selects(spec.get("podSelector") or {}, _labels(pod)):
                found.append(policy)
        return found

    def _rules(self, policy: Document, pod: Document, direction: str) -> Iterator[str]:
        for rule in policy["spec"].get(direction.lower()) or []:
            for match, other in self._ends(policy, rule, direction):
                for port in self._ports(rule, pod, other, direction):
                    yield f"{match} {port}".strip()

    def _ends(
        self, policy: Document, rule: Document, direction: str
    ) -> Iterator[tuple[str, Document | None]]:
        """Yield the address matches of a rule, each with the pod at the other end, if it is one."""
        key, side = ("from", "saddr") if direction == "Ingress" else ("to", "daddr")
        if not rule.get(key):
            yield "", None
        for peer in rule.get(key) or []:
            if "ipBlock" not in peer:
                for other in self._peers(policy, peer):
                    yield f"ip {side} {other['status']['podIP']}", other
            elif ":" not in peer["ipBlock"]["cidr"]:
                out = ", ".join(peer["ipBlock"].get("except") or [])
                yield (
                    f"ip {side} {peer['ipBlock']['cidr']}" + (f" ip {side} != {{ {out} }}" * bool(out)),
                    None,
                )

    def _peers(self, policy: Document, peer: Document) -> Iterator[Document]:
        for pod in self._pods:
            namespace = pod["metadata"]["namespace"]
            if "namespaceSelector" in peer:
                inside = selects(peer["namespaceSelector"], self._namespaces.get(namespace, {}))
            else:
                inside = namespace == policy["metadata"]["namespace"]
            if inside and selects(peer.get("podSelector") or {}, _labels(pod)):
                yield pod

    def _ports(self, rule: Document, pod: Document, other: Document | None, direction: str) -> Iterator[str]:
        if not rule.get("ports"):
            yield ""
        for port in rule.get("ports") or []:
            protocol, number = port.get("protocol", "TCP"), port.get("port")
            if number is None:
                yield f"meta l4proto {protocol.lower()}"
            elif isinstance(number, str):
                ends = [pod] if direction == "Ingress" else [other] if other else self._pods
                for one in sorted({n for end in ends for n in _named_ports(end, number, protocol)}):
                    yield f"{protocol.lower()} dport {one}"
            else:
                last = f"-{port['endPort']}" if port.get("endPort") else ""
                yield f"{protocol.lower()} dport {number}{last}"


def _chain(name: str, lines: list[str]) -> str:
    return f"  chain {name} {{\n" + "".join(f"    {line}\n" for line in lines) + "  }\n"


def _hook(jumps: dict[str, list[str]], directions: tuple[str, ...]) -> list[str]:
    sides = {"Egress": "saddr", "Ingress": "daddr"}
    maps = [f"ip {sides[d]} vmap {{ {', '.join(sorted(jumps[d]))} }}" for d in directions if jumps[d]]
    return ["ct state established,related accept", *maps]


def main() -> None:
    """Load the table again whenever it changes."""
    get, last = client(), ""
    while True:
        try:
            text = Table(get).text()
            if text != last:
                subprocess.run(["nft", "-f", "-"], input=text, text=True, check=True)
                last = text
        except (OSError, subprocess.CalledProcessError) as failure:
            print(failure, file=sys.stderr, flush=True)
        time.sleep(1)


if __name__ == "__main__":
    main()
