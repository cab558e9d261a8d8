"""A device of Microsoft's that sends one message: article_device.py HOST DEVICE CERTIFICATE KEY, trusting SSL_CERT_FILE."""
import os
import sys

from azure.iot.device import IoTHubDeviceClient, X509

host, device, certificate, key = sys.argv[1:]
with open(os.environ["SSL_CERT_FILE"]) as trusted:
    client = IoTHubDeviceClient.create_from_x509_certificate(
        X509(cert_file=certificate, key_file=key), host, device, server_verification_cert=trusted.read())
client.connect()
client.send_message('{"temperature":21.5}')
client.shutdown()
print("connected and sent")
