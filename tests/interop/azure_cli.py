"""The Azure CLI as a command of its own: azure_cli.py ARGUMENT….

azure-cli 2.91 says of no version which one of Microsoft.Devices it speaks, and the extension azure-iot 0.25.0 asks whether
it is new enough; without an answer the extension is not loaded. It is told that it is. And names under localhost, as hubs have
that are made by `az iot hub create`, are this machine (RFC 6761), whatever the resolver knows.
"""
import runpy
import socket
import sys

from azure.cli.core.profiles import _shared

validate = _shared._validate_api_version


def tolerant(version, min_api=None, max_api=None):
    return version is None or validate(version, min_api, max_api)


_shared._validate_api_version = tolerant
resolve = socket.getaddrinfo


def local(host, *more, **how):
    return resolve("127.0.0.1" if str(host).endswith(".localhost") else host, *more, **how)


socket.getaddrinfo = local
sys.argv[0] = "az"
runpy.run_module("azure.cli", run_name="__main__")
