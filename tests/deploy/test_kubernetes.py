"""The manifests: right by Kubernetes' own schemas, closed, of one piece, and in step with the image and the daemon.

There is no cluster here. Schemas find what is spelled wrong; the rest is held against the container file.
"""

from __future__ import annotations

import http.client
import socket
from contextlib import closing
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.acceptance.installation import Installation
from tests.acceptance.processes import REPOSITORY, Program, console_script, sitebind
from tests.deploy.containerfile import stages

FOLDER = REPOSITORY / "deploy" / "kubernetes"
FILES = sorted(FOLDER.glob("*.yaml"))
VERSIONS = ("1.29", "1.33", kubernetes_validate.latest_version())
MANIFESTS = {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in FILES}
POD = MANIFESTS["deployment"]["spec"]["template"]["spec"]
(CONTAINER,) = POD["containers"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", MANIFESTS)
def test_kubernetes_own_schema_takes_it_word_for_word(name: str, version: str) -> None:
    """Strict: a field that is spelled wrong would be left out in silence."""
    kubernetes_validate.validate(MANIFESTS[name], version, strict=True)


def test_the_schemas_would_find_a_field_that_is_spelled_wrong() -> None:
    wrong = {**MANIFESTS["service"], "spec": {**MANIFESTS["service"]["spec"], "publishNotReady": True}}
    with pytest.raises(kubernetes_validate.ValidationError, match="publishNotReady"):
        kubernetes_validate.validate(wrong, VERSIONS[-1], strict=True)


def test_there_is_one_of_everything_and_all_bear_the_label_by_which_they_find_each_other() -> None:
    kinds = sorted(manifest["kind"] for manifest in MANIFESTS.values())
    assert kinds == ["ConfigMap", "Deployment", "NetworkPolicy", "PersistentVolumeClaim", "Secret", "Service"]
    label = {"app.kubernetes.io/name": "sitebind"}
    assert all(manifest["metadata"]["labels"] == label for manifest in MANIFESTS.values())
    selectors = [
        MANIFESTS["deployment"]["spec"]["selector"]["matchLabels"],
        MANIFESTS["deployment"]["spec"]["template"]["metadata"]["labels"],
        MANIFESTS["service"]["spec"]["selector"],
        MANIFESTS["network-policy"]["spec"]["podSelector"]["matchLabels"],
    ]
    assert selectors == [label] * 4


def test_one_daemon_at_a_time() -> None:
    spec = MANIFESTS["deployment"]["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})
    assert MANIFESTS["volume"]["spec"]["accessModes"] == ["ReadWriteOnce"]


def test_the_pod_is_what_the_restricted_security_standard_asks_for_and_more() -> None:
    pod, container = POD["securityContext"], CONTAINER["securityContext"]
    assert pod["runAsNonRoot"] is True
    assert pod["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["allowPrivilegeEscalation"] is False
    assert container["readOnlyRootFilesystem"] is True
    assert container["capabilities"] == {"drop": ["ALL"]}
    assert POD["automountServiceAccountToken"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC", "hostAliases"} & POD.keys()
    assert not any("hostPath" in volume for volume in POD["volumes"])


def test_user_port_and_folders_are_those_of_the_image() -> None:
    final = stages()[-1]
    (user,) = final.all("USER")
    pod = POD["securityContext"]
    assert f"{pod['runAsUser']}:{pod['runAsGroup']}" == user
    assert pod["fsGroup"] == pod["runAsGroup"]
    assert [str(port["containerPort"]) for port in CONTAINER["ports"]] == final.all("EXPOSE")
    mounts = {mount["name"]: mount["mountPath"] for mount in CONTAINER["volumeMounts"]}
    assert [mounts["state"]] == final.all("VOLUME")
    assert final.environment()["SITEBIND_CONFIG"] == mounts["configuration"] + "/config.ini"
    assert not any("subPath" in mount for mount in CONTAINER["volumeMounts"])
    assert not {"command", "args", "env", "envFrom"} & CONTAINER.keys(), "no secret by the environment"


def test_what_is_mounted_exists_and_nothing_writable_lies_beside_the_state() -> None:
    assert {mount["name"] for mount in CONTAINER["volumeMounts"]} == {volume["name"] for volume in POD["volumes"]}
    volumes = {volume["name"]: volume for volume in POD["volumes"]}
    assert volumes["state"]["persistentVolumeClaim"]["claimName"] == MANIFESTS["volume"]["metadata"]["name"]
    assert volumes["configuration"]["configMap"]["name"] == MANIFESTS["configmap"]["metadata"]["name"]
    assert volumes["secrets"]["secret"]["secretName"] == MANIFESTS["secret"]["metadata"]["name"]
    assert volumes["secrets"]["secret"]["defaultMode"] == 0o440
    writable = {mount["name"] for mount in CONTAINER["volumeMounts"] if not mount.get("readOnly")}
    assert writable == {"state", "run"}


def test_every_secret_that_the_configuration_names_is_in_the_secret_and_none_is_real() -> None:
    (mount,) = [mount["mountPath"] for mount in CONTAINER["volumeMounts"] if mount["name"] == "secrets"]
    text = MANIFESTS["configmap"]["data"]["config.ini"]
    named = {line.partition(f"file:{mount}/")[2] for line in text.splitlines() if f"file:{mount}/" in line}
    assert named == MANIFESTS["secret"]["stringData"].keys()
    assert set(MANIFESTS["secret"]["stringData"].values()) == {"replace-me"}


def test_the_configuration_has_no_finding(tmp_path: Path) -> None:
    (tmp_path / "config.ini").write_text(MANIFESTS["configmap"]["data"]["config.ini"])
    said = sitebind("check-config", "--config", tmp_path / "config.ini")
    assert said.code == 0, said
    assert "0 errors, 0 warnings" in said.out


def asked(port: int, address: str, path: str) -> int:
    """The status of a GET, with the Host header that a kubelet sends: the pod's own address."""
    with closing(http.client.HTTPConnection(address, port, timeout=10)) as connection:
        connection.request("GET", path)
        return connection.getresponse().status


def own_address() -> str:
    """An address of this machine beyond loopback; nothing is sent."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as probe:
        probe.connect(("192.0.2.1", 9))
        address: str = probe.getsockname()[0]
        return address


@pytest.mark.slow
def test_the_probes_are_answered_without_a_token_by_the_pods_address_and_tell_life_from_readiness(
    installation: Installation,
) -> None:
    paths: dict[str, Any] = {
        name: CONTAINER[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "liveness", "readiness")
    }
    options = {"listen": f"0.0.0.0:{installation.port}", "api_token": "literal:of the test", "require_token": "yes"}
    installation.simulated.trouble("wrong-password")
    installation.save(daemon=options)
    with Program([*console_script(), "run", "--config", installation.config], cwd=installation.folder) as program:
        program.line("binding -> failed")
        found = {name: asked(installation.port, own_address(), path) for name, path in paths.items()}
        assert found == {"startup": 200, "liveness": 200, "readiness": 503}
        assert asked(installation.port, own_address(), "/api/v1/sites") == 401
