# For run, in a network of its own: the snippets of service SDKs, with port 443 and without it.
rm -rf iothub-data other-data ready.txt other.txt
iothub-emulator --quiet --https 127.0.0.1:443 >ready.txt &
emulator=$!
iothub-emulator --quiet --mqtt 127.0.0.1:0 --amqp 127.0.0.1:0 --http 127.0.0.1:8090 --https 127.0.0.1:8444 --data-dir other-data >other.txt &
other=$!
trap 'kill $emulator $other' EXIT
for file in ready.txt other.txt; do
    for _ in $(seq 600); do
        grep -q '^ready ' $file && break
        sleep 0.05
    done
    grep -q '^ready ' $file
done

sh -eu run.sh >said.txt
cat said.txt
grep -qx "\['python'\]" said.txt
grep -qx node said.txt
grep -qx acknowledged said.txt
for device in curl python; do
    curl -sSf "http://127.0.0.1:8080/admin/telemetry.jsonl?device=$device" | grep '"body":{"temperature":21.5}'
done
curl -sSf http://127.0.0.1:8080/admin/devices/node/messages | grep '"size":5'

IOTHUB_CONNECTION_STRING=$(iothub-emulator connection-string --http 127.0.0.1:8090 --rest) \
    REQUESTS_CA_BUNDLE=$PWD/other-data/server-ca.pem python service.py | grep -x "\['python'\]"
