// What the application really sends, judged by others: its documents by the schemas that Nordic publishes for nRF Asset
// Tracker's back ends (npm @nordicsemiconductor/asset-tracker-cloud-docs), its model by a DTDL parser of Digital Catapult's over
// Microsoft's. tracker_client.mjs DEMO FOLDER: starts that demonstration over that folder. NODE_PATH names the packages.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [demo, folder] = process.argv.slice(2);
const packages = process.env.NODE_PATH;
const load = (path) => import(pathToFileURL(join(packages, path)).href);
const { AGNSSRequest, AzureDesired, AzureReported, Batch, NetworkSurvey, PGPSRequest, PGPSResponse, validateWithType } = await load(
    "@nordicsemiconductor/asset-tracker-cloud-docs/protocol.js",
);
const { getInterop } = await load("@digicatapult/dtdl-parser/build/index.js");

let failed = 0;
const check = async (name, step) => {
    try {
        const found = await step();
        console.log(`pass ${name}`);
        if (found) console.log(`     ${found}`);
    } catch (error) {
        failed += 1;
        console.log(`FAIL ${name}\n     ${String(error.message ?? error).slice(0, 2000)}`);
    }
};
const valid = (schema, document) => {
    const result = validateWithType(schema)(document);
    if ("errors" in result) {
        throw new Error(`${JSON.stringify(result.errors)} in ${JSON.stringify(document)}`);
    }
};

const models = new URL("../../docs/model/", import.meta.url);
await check("tracker: the model is DTDL", async () => {
    const parser = await getInterop();
    const names = readdirSync(models).filter((name) => name.endsWith(".json"));
    const elements = names.map((name) => {
        const text = readFileSync(new URL(name, models), "utf8");
        return Object.keys(JSON.parse(parser.parse(text))).length;
    });
    return `${names.join(", ")}: ${elements.join(", ")} elements`;
});
await check("tracker: the parser refuses a model that is not", async () => {
    const parser = await getInterop();
    const text = readFileSync(new URL("tracker-1.json", models), "utf8");
    try {
        parser.parse(text.replace('"schema": "dtmi:iothub:Tracker:Device;1"', '"schema": "dtmi:iothub:Nowhere;1"'));
    } catch {
        return;
    }
    throw new Error("it took a schema that is nowhere");
});

const data = mkdtempSync(join(folder, "tracker-"));
const world = join(data, "world.json");
// Without assistance data no satellites are found in it, and later on none under a roof.
writeFileSync(
    world,
    JSON.stringify({ seed: 3, drive_s: 1200, park_s: 60, cold_s: 86400, tunnels_s: [[1200, 1500]], roofs_s: [[1500, 86400]] }),
);
const process_ = spawn(demo, ["--mqtt", "0", "--http", "0", "--data", join(data, "demo"), "--world", world, "--speed", "60"]);
let printed = "";
process_.stdout.on("data", (text) => (printed += text));
process_.stderr.on("data", (text) => (printed += text));

const until = async (what, look) => {
    const end = Date.now() + 120_000;
    let last;
    while (Date.now() < end) {
        try {
            const found = await look();
            if (found !== undefined) return found;
        } catch (error) {
            last = error;
        }
        if (process_.exitCode !== null) throw new Error(`the demonstration has ended:\n${printed.slice(-2000)}`);
        await new Promise((resolve) => setTimeout(resolve, 200));
    }
    throw new Error(`${what}: not in time${last ? `: ${last.message}` : ""}`);
};

try {
    const page = await until("the page's address", () => /REST on (http:\/\/[0-9.:]+)/.exec(printed)?.[1]);
    const lines = async (path) =>
        (await (await fetch(page + path)).text()).split("\n").filter(Boolean).map((line) => JSON.parse(line));
    const id = "352656100367872";
    const twin = async () => (await fetch(`${page}/twins/${id}`)).json();
    const desire = async (desired) => {
        const answer = await fetch(`${page}/twins/${id}`, {
            method: "PATCH",
            headers: { "content-type": "application/json" },
            body: JSON.stringify({ properties: { desired } }),
        });
        return (await answer.json()).properties.desired.$version;
    };

    await check("tracker: cfg as a back end of asset tracker's writes it is taken whole", async () => {
        const cfg = {
            act: true, actwt: 1, mvres: 300, mvt: 3600, loct: 60, accath: 10.5, accith: 5.2, accito: 1.7, nod: ["impact"],
        };
        valid(AzureDesired, { cfg });
        const version = await desire({ cfg });
        const reported = await until("cfg", async () => {
            const { cfg: found } = (await twin()).properties.reported;
            // Later, where the demonstration has written its interval meanwhile and the device has read the whole twin.
            return found?.av >= version ? found : undefined;
        });
        if (reported.ac !== 200) throw new Error(JSON.stringify(reported));
        for (const [name, value] of Object.entries(cfg)) {
            const same = JSON.stringify(value);
            if (JSON.stringify(reported[name]) !== same || JSON.stringify(reported.value[name]) !== same) {
                throw new Error(`${name}: ${JSON.stringify(reported)}`);
            }
        }
    });
    const named = (messages, name) => messages.filter(({ properties }) => name in properties);
    await check("tracker: requests for A-GNSS data and predictions are asset tracker's", async () => {
        const [agnss, pgps] = await until("both requests", async () => {
            const all = await lines(`/admin/telemetry.jsonl?device=${id}`);
            const both = [named(all, "agnss")[0], named(all, "pgps")[0]];
            return both.every(Boolean) ? both : undefined;
        });
        for (const [message, schema, name] of [[agnss, AGNSSRequest, "agnss"], [pgps, PGPSRequest, "pgps"]]) {
            valid(schema, message.body);
            if (message.properties[name] !== "get") throw new Error(JSON.stringify(message.properties));
        }
        return `${JSON.stringify(agnss.body)} ${JSON.stringify(pgps.body)}`;
    });
    await check("tracker: predictions are answered as asset tracker's back ends do, and taken", async () => {
        const answer = { host: "pgps.example.com", path: "public/15131-0_15135-72000.bin" };
        valid(PGPSResponse, answer);
        const sent = await fetch(`${page}/devices/${id}/messages/deviceBound`, {
            method: "POST",
            headers: { "iothub-app-pgps": "result" },
            body: JSON.stringify(answer),
        });
        if (!sent.ok) throw new Error(`the hub says ${sent.status}`);
        await until("the device's word", async () => (printed.includes("pgps: ") ? true : undefined));
        return /pgps: .*/.exec(printed)[0];
    });
    await check("tracker: every telemetry message is a batch", async () => {
        const messages = await until("positions, networks and what the tunnel kept", async () => {
            const all = await lines(`/admin/telemetry.jsonl?device=${id}`);
            const batches = named(all, "batch");
            const kinds = new Set(batches.flatMap((message) => Object.keys(message.body)));
            const isAll = ["gnss", "env", "bat", "roam"].every((kind) => kinds.has(kind));
            return batches.length >= 40 && isAll ? all : undefined;
        });
        const others = ["agnss", "pgps", "ground-fix"].flatMap((name) => named(messages, name));
        const batches = messages.filter((message) => !others.includes(message));
        for (const { body, properties } of batches) {
            valid(Batch, body);
            if (!("batch" in properties)) throw new Error("a message without the property batch");
        }
        return `${batches.length} messages`;
    });
    await check("tracker: cells and access points are asset tracker's network survey", async () => {
        const surveys = await until("surveys under the roof", async () => {
            const all = named(await lines(`/admin/telemetry.jsonl?device=${id}`), "ground-fix");
            const isWhole = all.some(({ body }) => body.lte?.nmr?.length > 1 && body.wifi);
            return all.length >= 5 && isWhole ? all : undefined;
        });
        for (const { body } of surveys) valid(NetworkSurvey, body);
        return `${surveys.length} surveys, the last ${JSON.stringify(surveys.at(-1).body)}`;
    });
    await check("tracker: the twin's reported properties are asset tracker's", async () => {
        const reported = await until("dev, cfg, gnss, env, bat, fg and roam", async () => {
            const { reported } = (await twin()).properties;
            const names = ["dev", "cfg", "gnss", "env", "bat", "fg", "roam"];
            return names.every((name) => name in reported) ? reported : undefined;
        });
        const { $metadata, $version, telemetryInterval, firmware, health, ...ours } = reported;
        valid(AzureReported, ours);
        return Object.keys(ours).join(", ");
    });
    await check("tracker: the model's id comes with the connection", async () => {
        const found = await (await fetch(`${page}/twins/${id}`)).json();
        const model = JSON.parse(readFileSync(new URL("tracker-1.json", models), "utf8"))["@id"];
        if (found.modelId !== model) throw new Error(`${found.modelId}, not ${model}`);
        return model;
    });
} finally {
    process_.kill("SIGINT");
}
process.exitCode = failed === 0 ? 0 : 1;
